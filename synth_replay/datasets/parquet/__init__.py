"""Parquet folders: shards that survive a kill, and their reader."""
