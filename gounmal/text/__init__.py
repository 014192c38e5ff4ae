"""A text and the views of it that the model reads; pure."""
