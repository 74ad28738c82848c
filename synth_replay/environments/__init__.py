"""Pixel environments: Procgen, and dm_control with or without visual distractions.

Importing this package registers ``synth_replay/Procgen-<game>-v0`` with Gymnasium; the simulators are imported when an
environment is made.
"""

from gymnasium import register

from synth_replay.environments.distractions import (
    DISTRACTION_KINDS,
    DISTRACTION_LEVELS,
    DISTRACTION_VARIANTS,
    DistractedEnv,
    Distraction,
)
from synth_replay.environments.dmc import ActionRepeat, make_dmc_pixels
from synth_replay.environments.optional_imports import load_dm_control
from synth_replay.environments.physics import PhysicsEnv
from synth_replay.environments.procgen import GAMES, ProcgenEnv

for _game in GAMES:
    register(
        f"synth_replay/Procgen-{_game}-v0",
        entry_point="synth_replay.environments.procgen:ProcgenEnv",
        kwargs={"game": _game},
    )

__all__ = [
    "DISTRACTION_KINDS",
    "DISTRACTION_LEVELS",
    "DISTRACTION_VARIANTS",
    "GAMES",
    "ActionRepeat",
    "DistractedEnv",
    "Distraction",
    "PhysicsEnv",
    "ProcgenEnv",
    "load_dm_control",
    "make_dmc_pixels",
]
