"""Episodes of frames on disk: V-D4RL, Offline Procgen, and datasets made of these."""
