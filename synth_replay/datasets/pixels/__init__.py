"""Datasets of frames, stored as episodes and read one episode at a time.

``formats`` opens any of them; ``vd4rl_npz``, ``vd4rl_hdf5`` and ``offline_procgen`` read and write one format each.
``episode`` holds an episode and stacks its frames into transitions, ``collect`` records episodes from an environment,
``mixing`` and ``transforms`` make datasets and episodes from others.
"""
