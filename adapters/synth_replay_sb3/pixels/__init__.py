"""Pixel observations in Stable-Baselines3: frozen encoders, policies on latents, augmented batches."""
