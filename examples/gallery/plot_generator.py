"""What the generator learns
=========================

Fit a diffusion model on the transitions of a small environment and inspect the generated rows: first each dimension by
itself, then single steps against the simulator. This takes half a minute on a laptop; the presets train much longer.
"""

from dataclasses import replace

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np

from synth_replay import TransitionGenerator, Transitions, evaluate
from synth_replay.generator import CPU

# %%
# Real data
# ---------
# A random policy swings the pendulum for 4,000 steps. A time limit is a truncation, not a termination.


def collect(steps, seed):
    env = gym.make("Pendulum-v1")
    env.action_space.seed(seed)
    observation, rows = env.reset(seed=seed)[0], []
    for _ in range(steps):
        action = env.action_space.sample()
        after, reward, terminated, truncated, _ = env.step(action)
        rows.append((observation, action, reward, after, terminated))
        observation = env.reset()[0] if terminated or truncated else after
    return Transitions(*(np.array(column) for column in zip(*rows)))


fitted, held_out = collect(4_000, seed=0), collect(2_000, seed=1)

# %%
# The model
# ---------
# A configuration starts from a preset. This one is small, so that the page is built quickly.

config = replace(
    CPU,
    network=replace(CPU.network, width=128, depth=3),
    training=replace(CPU.training, steps=1_500, batch_size=256),
)
env = gym.make("Pendulum-v1")
spaces = (env.observation_space, env.action_space)
generator = TransitionGenerator(*spaces, config, seed=0, device="cpu")
generator.fit(fitted, progress=False)
rows = generator.sample(2_000, progress=False)

# %%
# Each dimension by itself
# ------------------------

names = ["cos", "sin", "speed", "torque", "reward"]


def table(t):
    return np.column_stack([t.observations, t.actions, t.rewards])


figure, axes = plt.subplots(1, 5, figsize=(12, 2.4), layout="constrained")
for axis, name, real, made in zip(axes, names, table(held_out).T, table(rows).T):
    bins = np.linspace(real.min(), real.max(), 30)
    axis.hist(real, bins, density=True, alpha=0.5, label="real, held out")
    axis.hist(made, bins, density=True, histtype="step", linewidth=1.8, label="generated")
    axis.set(xlabel=name, yticks=[])
axes[0].legend(fontsize=7)

# %%
# Single steps against the simulator
# ----------------------------------
# The pendulum is set to each generated state, the generated torque is applied, and the result is compared with the
# generated next state.

scores = evaluate(held_out, rows, env)
print(scores)

# %%
# Every generated point lies on the circle of angles, although the model has no information about it.

figure, axis = plt.subplots(figsize=(3.6, 3.6), layout="constrained")
axis.plot(*rows.observations[:, :2].T, ".", markersize=2, label="generated")
axis.set(xlabel="cos", ylabel="sin", aspect="equal")
radius = np.linalg.norm(rows.observations[:, :2], axis=1)
print(f"median distance from the circle: {np.median(np.abs(radius - 1)):.3f}")
