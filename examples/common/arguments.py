"""Command-line arguments of the scripts, checked while they are parsed, and errors of the user in one line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import gymnasium as gym
import torch

from synth_replay.augment import STATE_AUGMENTATIONS
from synth_replay.errors import SynthReplayError
from synth_replay.generator import resolve_config

USER_ERRORS = (SynthReplayError, gym.error.Error, FileNotFoundError)


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Help texts with defaults, except "default: None"."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """A parser whose description is the first line of a script's docstring."""

    def __init__(self, doc: str | None) -> None:
        super().__init__(description=(doc or "").split("\n")[0], formatter_class=Help)


def one_line_errors(main: Callable[[], None]) -> Callable[[], None]:
    """Exits a script like ``parser.error`` on errors of the user, which need no traceback."""

    @wraps(main)
    def run() -> None:
        try:
            main()
        except USER_ERRORS as error:
            print(f"{Path(sys.argv[0]).name}: error: {in_one_line(error)}", file=sys.stderr)
            raise SystemExit(2) from None

    return run


def in_one_line(error: Exception) -> str:
    """Returns the message of an error without line breaks."""
    return " ".join(str(error).split())


def environment(name: str, actions: type = gym.Space) -> str:
    """Checks an argument: the id of an existing environment with actions of the given space."""
    try:
        env = gym.make(name)
    except (gym.error.Error, ImportError) as error:
        raise argparse.ArgumentTypeError(in_one_line(error)) from None
    env.close()
    if not isinstance(env.action_space, actions):
        raise argparse.ArgumentTypeError(f"{name} has the actions {env.action_space}; a {actions.__name__} is needed.")
    return name


def continuous(name: str) -> str:
    """Checks an argument: the id of an existing environment with continuous actions."""
    return environment(name, gym.spaces.Box)


def share(text: str) -> float:
    """Checks an argument: a number in [0, 1]."""
    if not 0 <= float(text) <= 1:
        raise argparse.ArgumentTypeError("a share is in [0, 1]")
    return float(text)


def ratio(text: str) -> float | str:
    """Checks an argument: a number in [0, 1], or ``auto``."""
    return text if text == "auto" else share(text)


def preset(name: str) -> str:
    """Checks an argument: a preset, file or folder of a generator, as the buffers take it."""
    if name not in STATE_AUGMENTATIONS and not Path(name).is_dir():
        try:
            resolve_config(name, torch.device("cpu"))
        except SynthReplayError as error:
            raise argparse.ArgumentTypeError(in_one_line(error)) from None
    return name
