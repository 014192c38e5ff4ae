"""Training: sources → examples → network → released artifact, by `python -m train`."""
