"""d3rlpy on frames: networks, encoders, latents, augmentation, DrQ+BC."""
