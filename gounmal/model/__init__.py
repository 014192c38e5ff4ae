"""Views into n-grams, n-grams into scores, and where models are kept."""
