"""Stable-Baselines3 on frames: encoders, policies on latents, augmentation."""
