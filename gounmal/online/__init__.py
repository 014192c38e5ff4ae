"""The online service: from a request to the engine and back, in batches."""
