"""Who may call, and for how much."""
