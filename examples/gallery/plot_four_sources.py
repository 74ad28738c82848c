"""Four sources in every batch
===========================

Offline-to-online learning with one labelled generator (CFDG): batches hold online rows, offline rows, and generated
rows of both kinds. The maps show all four.
"""

from dataclasses import replace

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from synth_replay import Transitions
from synth_replay.buffers import SOURCES, CFGMixedBuffer
from synth_replay.generator import CPU

# %%
# Two policies
# ------------
# The offline data come from random torques, the online data from a policy that pushes one way.


def collect(steps, seed, low=-2.0):
    env = gym.make("Pendulum-v1")
    rng = np.random.default_rng(seed)
    observation, rows = env.reset(seed=seed)[0], []
    for _ in range(steps):
        action = rng.uniform(low, 2.0, 1).astype(np.float32)
        after, reward, terminated, truncated, _ = env.step(action)
        rows.append((observation, action, reward, after, terminated))
        observation = env.reset()[0] if terminated or truncated else after
    return Transitions(*(np.array(column) for column in zip(*rows)))


offline, online = collect(3_000, seed=0), collect(1_500, seed=1, low=1.0)

# %%
# The buffer
# ----------
# The constructor takes the offline dataset, such as a path. Online steps are added as in any loop; the buffer refreshes
# by itself.

config = replace(
    CPU,
    network=replace(CPU.network, width=128, depth=3),
    training=replace(CPU.training, steps=1_500, batch_size=256),
    store_rows=2_000,
)
env = gym.make("Pendulum-v1")
spaces = (env.observation_space, env.action_space)
options = {"generator": config, "refresh_every": 1_500, "seed": 0, "progress": False}
buffer = CFGMixedBuffer(10_000, *spaces, offline, **options)
for row in range(len(online)):
    step = online[row : row + 1]
    buffer.add(step.observations[0], step.actions[0], step.rewards[0], step.next_observations[0], False)
batch = buffer.sample(1_200)

# %%
# Counts are exact: online, offline and synthetic rows are 1 : 1 : 1, synthetic rows are 8 online : 2 offline.

counts = np.bincount(buffer.last_sources, minlength=4)
print(dict(zip(SOURCES, counts.tolist())))

# %%
# Where they lie
# --------------

angle = np.arctan2(batch.observations[:, 1], batch.observations[:, 0])
figure, axes = plt.subplots(1, 4, figsize=(12, 3), sharex=True, sharey=True, layout="constrained")
for number, (axis, name) in enumerate(zip(axes, SOURCES)):
    chosen = buffer.last_sources == number
    colour = axis.scatter(
        angle[chosen], batch.observations[chosen, 2], c=batch.actions[chosen, 0], s=6, vmin=-2, vmax=2
    )
    axis.set(title=name.replace("_", " "), xlabel="angle")
axes[0].set_ylabel("speed")
figure.colorbar(colour, ax=axes, label="torque")

# %%
# Rows that were generated with the label "online" have the online policy's torques, above 1.

labelled = batch[buffer.last_sources == SOURCES.index("synthetic_online")]
print(f"{(labelled.actions > 0.9).mean():.0%} of the synthetic online rows push as the online policy does")
