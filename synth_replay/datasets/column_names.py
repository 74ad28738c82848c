"""Column names that published datasets use, and the search for a transition's columns by these names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from synth_replay.errors import DatasetFormatError, InvalidTransitionsError
from synth_replay.spaces import Array
from synth_replay.transitions import EXTRA_COLUMNS

ALIASES = {
    "actions": ("actions",),
    "rewards": ("rewards",),
    "terminations": ("terminations", "terminals"),
    "truncations": ("truncations", "timeouts", "truncals", "episode_terminals"),
}
OPTIONAL = ("truncations",)


def find_columns(path: Path, heads: Mapping[str, Array]) -> dict[str, str]:
    """Finds the stored array of each column of a transition.

    Args:
        path: File to name in errors.
        heads: Zero-row arrays by stored name.

    Returns:
        Stored names by leaf name; with ``next_observations`` only if the file has them.

    Raises:
        DatasetFormatError: If a required column is missing, or a column is not an array of numbers.
    """
    names = {name: name for name in heads if name.split("/")[0] in ("observations", "next_observations")}
    for leaf, aliases in ALIASES.items():
        if stored := next((name for name in aliases if name in heads), None):
            names[leaf] = stored
    missing = [leaf for leaf in ALIASES if leaf not in names and leaf not in OPTIONAL]
    if not any(name.split("/")[0] == "observations" for name in names):
        missing.insert(0, "observations")
    if missing:
        raise DatasetFormatError(
            f"{path} lacks {', '.join(missing)}; it holds {', '.join(sorted(heads)) or 'nothing'}. Needed are "
            "observations, actions, rewards and terminals (or terminations), and best also next_observations."
        )
    names |= {name: name for name in EXTRA_COLUMNS if name in heads}
    _require_numbers(path, {name: heads[name] for name in names.values()})
    return names


def _require_numbers(path: Path, heads: Mapping[str, Array]) -> None:
    for name, head in heads.items():
        if head.dtype.kind not in "biuf":
            raise DatasetFormatError(f"{path}: {name} holds {head.dtype} values, not numbers. Save it as numbers.")


def common_length(path: Path, lengths: Mapping[str, int]) -> int:
    """Returns the number of rows, which all columns must have.

    Args:
        path: File to name in errors.
        lengths: Rows by stored name.

    Raises:
        InvalidTransitionsError: If columns differ in length.
        DatasetFormatError: If there are no rows.
    """
    if len(set(lengths.values())) > 1:
        raise InvalidTransitionsError(f"{path}: all columns need the same number of rows; got {dict(lengths)}.")
    rows = next(iter(lengths.values()))
    if rows == 0:
        raise DatasetFormatError(f"{path} holds no transitions.")
    return rows
