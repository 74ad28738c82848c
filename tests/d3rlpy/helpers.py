"""Real datasets in d3rlpy's form, and quiet training runs."""

import warnings

import numpy as np

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import d3rlpy
    from d3rlpy.constants import ActionSpace
    from d3rlpy.dataset import MDPDataset
    from d3rlpy.logging import NoopAdapterFactory

from tests.conftest import TINY, rollout

KWARGS = {"generator": TINY, "progress": False}


def dataset(env_id="Pendulum-v1", steps=600, **kwargs):
    """A random policy's rows as an ``MDPDataset``."""
    rows = rollout(env_id, steps)
    discrete = rows.actions.ndim == 1
    return MDPDataset(
        rows.observations,
        rows.actions.reshape(steps, -1),
        rows.rewards.astype(np.float32),
        rows.terminations,
        timeouts=rows.truncations,
        action_space=ActionSpace.DISCRETE if discrete else ActionSpace.CONTINUOUS,
        action_size=int(rows.actions.max()) + 1 if discrete else rows.actions.shape[1],
        **kwargs,
    )


def train(algorithm, buffer, steps=500, **kwargs):
    """``fit`` without files or bars."""
    quiet = {"logger_adapter": NoopAdapterFactory(), "show_progress": False, "n_steps_per_epoch": steps}
    return algorithm.fit(buffer, n_steps=steps, **(quiet | kwargs))


def real_mask(batch, buffer):
    """Which rows of a batch are real, told by the bytes of their first observation."""
    parts = buffer.episodes
    known = {row.tobytes() for episode in parts for row in np.asarray(first(episode.observations), np.float32)}
    return np.array([row.tobytes() in known for row in first(batch.observations)])


def first(observations):
    return observations[0] if isinstance(observations, (list, tuple)) else observations


def small(config, **kwargs):
    """An algorithm with networks of 16 units and batches of 32 rows."""
    encoder = d3rlpy.models.VectorEncoderFactory([16])
    names = ("actor_encoder_factory", "critic_encoder_factory", "value_encoder_factory", "encoder_factory")
    held = {name: encoder for name in names if name in config.__dataclass_fields__}
    return config(batch_size=32, **held, **kwargs).create(device="cpu")
