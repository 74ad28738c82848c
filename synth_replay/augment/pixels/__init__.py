"""Pixel augmentation of whole frame stacks: ten augmentations and the paper's preset.

Import the public names from :mod:`synth_replay.augment`.
"""
