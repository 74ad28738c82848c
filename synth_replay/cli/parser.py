"""Options from the commands' dataclasses, by tyro."""

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
    """Checks that the command line's extra is installed.

    Raises:
        MissingExtraError: If it is not.
    """
    if find_spec("tyro") is None:
        raise MissingExtraError('the command line needs an extra: pip install "synth-replay[cli]"')


def tyro_cli(given: list[str], description: str) -> Any:
    """The command that the arguments describe, ready to run."""
    import tyro

    from synth_replay.cli.looking import Convert, Info, Report
    from synth_replay.cli.making import Fit, Sample, Upsample

    commands = {c.__name__.lower(): c for c in (Fit, Sample, Upsample, Report, Convert, Info)}
    config = (tyro.conf.FlagCreatePairsOff,)
    with starting_from(given), _plain_help():
        if given and given[0] in commands:  # parsed in a union, its messages would name a wrapper of tyro's
            prog = f"synth-replay {given[0]}"
            return tyro.cli(commands[given[0]], prog=prog, args=given[1:], config=config)
        named = tuple(Annotated[c, tyro.conf.subcommand(name)] for name, c in commands.items())
        return tyro.cli(Union[named], prog="synth-replay", description=description, args=given, config=config)  # type: ignore[call-overload]  # noqa: UP007


@contextmanager
def _plain_help() -> Iterator[None]:
    """Within it the generator's options, whose texts are docstrings, have no marks of the documentation's language."""
    parts = [part for part in vars(GeneratorConfig()).values() if is_dataclass(part)]
    texts = {owner: owner.__doc__ for owner in (GeneratorConfig, *map(type, parts))}
    for owner, text in texts.items():
        owner.__doc__ = (text or "").replace("``", "")
    try:
        yield
    finally:
        for owner, text in texts.items():
            owner.__doc__ = text
