"""Procgen's sixteen games and their time limits."""

from __future__ import annotations

# Steps until the time limit of an episode, in easy and hard mode (Cobbe et al. 2020, procgen/src/games)
TIME_LIMITS: dict[str, int] = {
    "bigfish": 6000,
    "bossfight": 4000,
    "caveflyer": 1000,
    "chaser": 1000,
    "climber": 1000,
    "coinrun": 1000,
    "dodgeball": 1000,
    "fruitbot": 1000,
    "heist": 1000,
    "jumper": 1000,
    "leaper": 500,
    "maze": 500,
    "miner": 1000,
    "ninja": 1000,
    "plunder": 4000,
    "starpilot": 1000,
}
