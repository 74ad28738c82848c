"""Folders of Parquet shards: ``reader`` and ``writer``; ``shards`` writes one shard at a time and survives a kill."""
