"""Options from the commands' dataclasses, by tyro."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any, Union

from synth_replay.cli.presets import starting_from
from synth_replay.errors import MissingExtraError


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

    commands = (Fit, Sample, Upsample, Report, Convert, Info)
    named = tuple(Annotated[c, tyro.conf.subcommand(c.__name__.lower())] for c in commands)
    options = (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes, tyro.conf.ConsolidateSubcommandArgs)
    with starting_from(given):
        return tyro.cli(Union[named], prog="synth-replay", description=description, args=given, config=options[:1])  # type: ignore[call-overload]  # noqa: UP007
