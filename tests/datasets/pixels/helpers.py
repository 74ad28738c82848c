"""Episodes whose frames say where they are from, an environment that shows them, and naive oracles."""

from collections import deque

import gymnasium as gym
import h5py
import numpy as np
from gymnasium import spaces

from synth_replay.datasets.pixels.dataset import PixelDataset
from synth_replay.datasets.pixels.episode import PixelEpisode

SIZE = 8
DISCRETE, BOX = spaces.Discrete(15), spaces.Box(-1, 1, (2,), np.float32)


def frame_of(episode, step, size=SIZE):
    """``[3, size, size]`` that encodes its episode and step."""
    frame = np.empty((3, size, size), np.uint8)
    frame[:] = np.array([episode % 256, step % 256, step // 256])[:, None, None]
    frame[:, 0, 0] = 200  # not symmetric, so that a wrong transpose shows
    frame[0, 0, 1] = 100
    return frame


def action_of(episode, step, space=BOX):
    if isinstance(space, spaces.Discrete):
        return np.int64((episode + step) % 15)
    return np.array([np.sin(episode + step), np.cos(3 * step)], np.float32)


def reward_of(episode, step):
    return np.float32(episode + step / 8)


def episode_of(number, steps, space=BOX, terminated=False, size=SIZE, missing=False):
    """An episode of the encoded frames, actions and rewards; ``missing`` drops the frame after a termination."""
    return PixelEpisode(
        np.stack([frame_of(number, t, size) for t in range(steps + 1 - missing)]),
        np.stack([action_of(number, t, space) for t in range(steps)]),
        np.array([reward_of(number, t) for t in range(steps)]),
        terminated,
        number,
    )


class Listed(PixelDataset):
    """A dataset that lies in memory."""

    format = "listed"

    def __init__(self, episodes, space=BOX):
        self.held = list(episodes)
        super().__init__("listed", [len(e) for e in self.held], self.held[0].frames.shape[1:], space)

    def _read(self, numbers):
        for number in numbers:
            yield self.held[number]


class CounterEnv(gym.Env):
    """Shows the frames of :func:`frame_of`, ``[size, size, 3]``, and terminates after ``length`` steps."""

    def __init__(self, length=7, space=BOX, size=SIZE):
        self.observation_space = spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.action_space, self.length, self.size = space, length, size
        self.episode, self.seeds = -1, []
        self._shown = np.empty(self.observation_space.shape, np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.seeds.append(seed)
        self.episode, self.time = self.episode + 1, 0
        return self._show(), {"level_seed": 50 + self.episode}

    def step(self, action):
        reward = float(reward_of(self.episode, self.time))
        self.time += 1
        return self._show(), reward, self.time == self.length, False, {}

    def _show(self):
        # one array for all observations, as some environments have it
        self._shown[:] = frame_of(self.episode, self.time, self.size).transpose(1, 2, 0)
        return self._shown


def naive_transitions(episodes, frame_stack):
    """Rows ``(s, a, r, s', terminated, truncated)``, with a deque as in DrQ-v2's environment wrapper."""
    rows = []
    for episode in episodes:
        stack = deque([episode.frames[0]] * frame_stack, maxlen=frame_stack)
        for t in range(len(episode)):
            now = np.concatenate(stack)
            if t + 1 < len(episode.frames):
                stack.append(episode.frames[t + 1])
            last = t == len(episode) - 1
            after = np.concatenate(stack)
            ends = (last and episode.terminated, last and not episode.terminated)
            rows.append((now, episode.actions[t], episode.rewards[t], after, *ends))
    return [np.stack(column) for column in zip(*rows, strict=True)]


def assert_transitions(chunks, episodes, frame_stack):
    chunks = list(chunks)
    names = ("observations", "actions", "rewards", "next_observations", "terminations", "truncations")
    for name, wanted in zip(names, naive_transitions(episodes, frame_stack), strict=True):
        found = np.concatenate([getattr(chunk, name) for chunk in chunks])
        np.testing.assert_array_equal(found, wanted, err_msg=name)
        assert found.dtype == wanted.dtype


def assert_episodes(found, wanted, level_seeds=True):
    found, wanted = list(found), list(wanted)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        for name in ("frames", "actions", "rewards"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
            assert getattr(one, name).dtype == getattr(other, name).dtype
        assert one.terminated == other.terminated
        if level_seeds:
            assert one.level_seed == other.level_seed


def recorded(number, steps, size, terminated=False):
    """The rows of V-D4RL's files, appended step by step as dm_env hands them out: a frame and what led to it."""
    rows = [(frame_of(number, 0, size), np.zeros(2, np.float32), 0.0, 1.0, 0)]
    for t in range(steps):
        last = t == steps - 1
        discount = 0.0 if last and terminated else 1.0
        rows.append(
            (frame_of(number, t + 1, size), action_of(number, t), reward_of(number, t), discount, 2 if last else 1)
        )
    names = ("observation", "action", "reward", "discount", "step_type")
    return dict(zip(names, (np.stack(column) for column in zip(*rows, strict=True)), strict=True))


def save_hdf5(path, *episodes, **changed):
    """A file as V-D4RL's authors write it: h5py's own chunks, gzip, float64 step types."""
    joined = {name: np.concatenate([rows[name] for rows in episodes]) for name in episodes[0]}
    joined["step_type"] = joined["step_type"].astype(float)
    with h5py.File(path, "w") as file:
        for name, array in (joined | changed).items():
            if array is not None:
                file.create_dataset(name, data=array, compression="gzip")
    return path


def save_npz(folder, name, rows, **changed):
    """A file as DreamerV2 writes it."""
    folder.mkdir(exist_ok=True)
    kinds = rows["step_type"]
    arrays = {name: rows[name] for name in ("action", "reward", "discount")}
    arrays |= {"image": rows["observation"].transpose(0, 2, 3, 1), "is_first": kinds == 0, "is_last": kinds == 2}
    arrays |= {"is_terminal": rows["discount"] == 0} | changed
    path = folder / f"20220101T000000-{name}-{len(kinds)}.npz"
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def save_procgen(folder, number, steps, level=3, suffix=".npz", name=None, **changed):
    """A file as gen_dgrl writes it: float32 frames, ``[T, 1]`` columns, float dones, and the next level's frame."""
    folder.mkdir(exist_ok=True, parents=True)
    frames = [frame_of(number, t) for t in range(steps)] + [frame_of(number + 100, 0)]
    rewards = np.array([[reward_of(number, t)] for t in range(steps)], np.float32)
    arrays = {
        "observations": np.stack(frames).astype(np.float32),
        "actions": np.array([[action_of(number, t, DISCRETE)] for t in range(steps)]),
        "rewards": rewards,
        "dones": (np.arange(steps) == steps - 1).astype(np.float32),
    } | changed
    path = folder / (name or f"20230101T000000_{number}_{steps}_{level}_{rewards.sum():.2f}{suffix}")
    with path.open("wb") as file:
        np.savez_compressed(file, **{name: array for name, array in arrays.items() if array is not None})
    return path
