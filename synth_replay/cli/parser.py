"""Parsing: tyro makes the options of each command from the fields of its dataclass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass
from importlib.util import find_spec
from typing import Annotated, Any, Union

from synth_replay.cli.presets import starting_from
from synth_replay.errors import MissingExtraError
from synth_replay.generator.config import GeneratorConfig


def require_tyro() -> None:
    """Checks that tyro is installed.

    Raises:
        MissingExtraError: If tyro is missing.
    """
    if find_spec("tyro") is None:
        raise MissingExtraError('the command line needs an extra: pip install "synth-replay[cli]"')


def parse_command(given: list[str], description: str) -> Any:
    """Parses the arguments into a command, ready to run.

    Args:
        given: Arguments after ``synth-replay``.
        description: Text of ``synth-replay --help``.

    Raises:
        SystemExit: With code 0 after a help text, and 2 for wrong arguments.
    """
    import tyro

    from synth_replay.cli.convert import Convert
    from synth_replay.cli.fit import Fit
    from synth_replay.cli.info import Info
    from synth_replay.cli.report import Report
    from synth_replay.cli.sample import Sample
    from synth_replay.cli.upsample import Upsample

    commands = {c.__name__.lower(): c for c in (Fit, Sample, Upsample, Report, Convert, Info)}
    config = (tyro.conf.FlagCreatePairsOff,)
    with starting_from(given), _plain_help():
        if given and given[0] in commands:  # in a union, error messages would name a wrapper class of tyro
            prog = f"synth-replay {given[0]}"
            return tyro.cli(commands[given[0]], prog=prog, args=given[1:], config=config)
        named = tuple(Annotated[c, tyro.conf.subcommand(name)] for name, c in commands.items())
        return tyro.cli(Union[named], prog="synth-replay", description=description, args=given, config=config)  # type: ignore[call-overload]  # noqa: UP007


@contextmanager
def _plain_help() -> Iterator[None]:
    """Removes double backticks from the docstrings of configurations, which are help texts, inside a ``with`` block."""
    parts = [part for part in vars(GeneratorConfig()).values() if is_dataclass(part)]
    texts = {owner: owner.__doc__ for owner in (GeneratorConfig, *map(type, parts))}
    for owner, text in texts.items():
        owner.__doc__ = (text or "").replace("``", "")
    try:
        yield
    finally:
        for owner, text in texts.items():
            owner.__doc__ = text
