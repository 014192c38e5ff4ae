"""The core inside engines of others: a function for Spark, one for Ray Data."""
