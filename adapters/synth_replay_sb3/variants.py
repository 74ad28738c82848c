"""Our buffers, and subclasses of them, over SB3's buffers for Dict observations and for n-step returns."""

from __future__ import annotations

from functools import cache
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer


def host_class(observation_space: spaces.Space[Any], n_steps: int = 1) -> type[ReplayBuffer]:
    """Returns SB3's own buffer for such observations and returns."""
    if isinstance(observation_space, spaces.Dict):
        return DictReplayBuffer
    return NStepReplayBuffer if n_steps > 1 else ReplayBuffer


@cache
def over(cls: Any, host: type[ReplayBuffer]) -> Any:
    """Returns ``cls`` if it inherits from ``host``, a buffer of SB3's; otherwise a subclass of both.

    No module holds the subclass by name, so its instances are pickled with the names of both base classes.
    """
    if issubclass(cls, host):
        return cls
    name = f"{host.__name__.removesuffix('ReplayBuffer')}{cls.__name__}"
    members = {"__module__": cls.__module__, "__doc__": cls.__doc__, "__reduce__": _reduce}
    return type(cls)(name, (cls, host), members)


def _reduce(buffer: Any) -> tuple[Any, ...]:
    return _empty, type(buffer).__bases__, buffer.__getstate__()


def _empty(cls: type, host: type[ReplayBuffer]) -> Any:
    kind = over(cls, host)
    return kind.__new__(kind)
