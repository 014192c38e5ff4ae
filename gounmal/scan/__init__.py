"""The scan engine: inputs cut into shards, each judged once, put together again."""
