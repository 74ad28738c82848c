"""Pixel observations in d3rlpy: networks, frozen encoders, agents on latents, augmentation, DrQ+BC."""
