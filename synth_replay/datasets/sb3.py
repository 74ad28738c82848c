"""Reader of Stable-Baselines3 replay buffers, pickled by ``model.save_replay_buffer``."""

from __future__ import annotations

import pickle
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from synth_replay.datasets.atomic_files import reading
from synth_replay.datasets.dataset import Dataset, ReadOptions
from synth_replay.datasets.episodes import Columns, leaves_of
from synth_replay.datasets.space_inference import resolve_spec
from synth_replay.errors import DatasetFormatError, MissingExtraError, SynthReplayError, UntrustedDatasetError
from synth_replay.spaces import Array

NEEDED = ("observations", "actions", "rewards", "dones", "pos", "full", "buffer_size", "action_space")
LIMITS_NOTE = "the buffer was made without handle_timeout_termination: a time limit counts as a termination"
SHARED_NOTE = (
    "the buffer was made with optimize_memory_usage: at the end of an episode the last observation is used as "
    "the next one, so the change of state there is 0"
)


class Sb3Dataset(Dataset):
    """The filled rows of a replay buffer, oldest step first; rows of one step are ordered by environment.

    The buffer stores Box actions in [-1, 1]; they are scaled back to the units of the environment. ``dones`` include
    time limits, which ``timeouts`` marks. With ``optimize_memory_usage`` the next observation is the observation of the
    following row; the oldest row of a full ring has lost its own observation and is left out.
    """

    format = "sb3"

    def __init__(self, path: Path, options: ReadOptions) -> None:
        if not options.trusted:
            raise UntrustedDatasetError(
                f"{path} is a pickle, and loading a pickle runs the code in it. If you trust its origin, open it with "
                "trusted=True."
            )
        self._buffer = buffer = _load(path)
        self._shared = bool(getattr(buffer, "optimize_memory_usage", False))
        self._steps = _filled_steps(buffer, self._shared)
        stored = (buffer.observation_space, buffer.action_space)
        heads = self._columns(self._steps[:0])
        spec, notes = resolve_spec(path, options, stored, heads, lambda _: ())
        notes += [] if getattr(buffer, "handle_timeout_termination", False) else [LIMITS_NOTE]
        notes += [SHARED_NOTE] if self._shared else []
        self._environments = buffer.rewards.shape[1]
        super().__init__(path, spec, len(self._steps) * self._environments, {}, notes)

    def _blocks(self, rows: int) -> Generator[Columns]:
        steps = max(rows // self._environments, 1)
        for start in range(0, len(self._steps), steps):
            yield self._columns(self._steps[start : start + steps])

    def _columns(self, steps: Array) -> Columns:
        buffer = self._buffer
        observations = leaves_of("observations", buffer.observations)
        columns = {name: _gather(array, steps) for name, array in observations.items()}
        dones, timeouts = _gather(buffer.dones, steps) != 0, self._timeouts(steps)
        if self._shared:
            following = (steps + 1) % buffer.buffer_size
            for name, array in observations.items():
                successor = _gather(array, following)
                successor[dones] = columns[name][dones]
                columns[f"next_{name}"] = successor
        else:
            after = leaves_of("next_observations", buffer.next_observations)
            columns |= {name: _gather(array, steps) for name, array in after.items()}
        return columns | {
            "actions": _environment_units(_gather(buffer.actions, steps), buffer.action_space),
            "rewards": _gather(buffer.rewards, steps),
            "terminations": dones & ~timeouts,
            "truncations": timeouts,
        }

    def _timeouts(self, steps: Array) -> Array:
        buffer = self._buffer
        timeouts = _gather(getattr(buffer, "timeouts", np.zeros_like(buffer.dones)), steps)
        return np.asarray(timeouts != 0)


def _load(path: Path) -> Any:
    try:
        with reading(path), path.open("rb") as file:
            buffer = pickle.load(file)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        command = 'pip install "synth-replay[sb3]"' if library == "stable_baselines3" else "install it"
        raise MissingExtraError(f"{path} needs {library}, which is not installed: {command}") from error
    except SynthReplayError:
        raise
    except Exception as error:  # a pickle runs any code, so it can raise any error
        reason = " ".join(str(error).split())[:200]
        raise DatasetFormatError(f"{path} is no pickled replay buffer ({reason}). Save it again.") from error
    if missing := [name for name in NEEDED if not hasattr(buffer, name)]:
        raise DatasetFormatError(f"{path} holds a {type(buffer).__name__}, not a replay buffer: no {missing}.")
    return buffer


def _filled_steps(buffer: Any, shared: bool) -> Array:
    """Returns ring positions from the oldest to the newest step."""
    if not buffer.full:
        return np.arange(buffer.pos)
    return np.arange(buffer.pos + shared, buffer.pos + buffer.buffer_size) % int(buffer.buffer_size)


def _gather(array: Array, steps: Array) -> Array:
    """Takes steps of ``[steps, environments, ...]`` and returns them as rows."""
    return np.asarray(array[steps]).reshape(-1, *array.shape[2:])


def _environment_units(actions: Array, space: spaces.Space[Any]) -> Array:
    """Returns stored actions ``[n, size]`` in the shape of the space, Box actions in the environment's units."""
    shaped = actions.reshape(len(actions), *(space.shape or ()))
    if not isinstance(space, spaces.Box):
        return shaped
    return np.asarray(space.low + 0.5 * (space.high - space.low) * (shaped + 1.0))
