"""Minari's local datasets: our own reader, aligned step by step, and a writer."""
