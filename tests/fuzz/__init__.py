"""Damaged and hostile files of every kind: loaders raise this package's errors and nothing else."""
