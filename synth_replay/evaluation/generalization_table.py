"""Tables of returns in the layouts of arXiv 2508.12356 (Tables 1 to 3), with intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synth_replay.errors import ConfigError
from synth_replay.evaluation.generalization import (
    Estimate,
    Resampled,
    Returns,
    average,
    estimate,
    gap_scores,
    resample,
)

LEVELS = ("Easy", "Medium", "Hard")
AVERAGE = "Average"
ScoreTable = dict[str, dict[str, dict[str, Estimate]]]


@dataclass(frozen=True)
class GeneralizationTable:
    """Scores by environment, method and column.

    Attributes:
        returns: Columns ``Original``, each level, and ``Test Mean`` if there are several levels.
        gaps: Columns ``Test / Train``, ``Train - Test``, ``G_perf``. Several environments with the same methods have a
            last entry, ``Average``, in which the first two columns belong to mean returns, as in Table 3, and the third
            is the mean of all shares.
        seeds: Fewest and most seeds of a method in an environment.
    """

    returns: ScoreTable
    gaps: ScoreTable
    seeds: tuple[int, int]

    def markdown(self, digits: int = 1) -> str:
        """Formats two Markdown tables, of the returns and of the gaps.

        Args:
            digits: Number of decimals of returns: 1 in Table 1, 2 in Table 3.
        """
        fewest, most = self.seeds
        said = f"{most} seeds" if fewest == most else f"{fewest} to {most} seeds"
        said = "One seed.\n" if most == 1 else f"Means over {said}, with 95 % bootstrap intervals over seeds.\n"
        parts = [
            _markdown(self.returns, lambda _: digits),
            _markdown(self.gaps, lambda name: digits if name == "Train - Test" else 2),
            said,
        ]
        return "\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Returns the scores in JSON types; None where a score is not defined."""
        both = {"returns": self.returns, "gaps": self.gaps}
        return {
            name: {
                environment: {
                    method: {column: found.to_dict() for column, found in line.items()}
                    for method, line in methods.items()
                }
                for environment, methods in figures.items()
            }
            for name, figures in both.items()
        }


def generalization_table(
    environments: Mapping[str, Mapping[str, Returns]],
    *,
    train: str = "Original",
    levels: Sequence[str] = LEVELS,
    baseline: str = "Baseline",
    seed: int = 0,
) -> GeneralizationTable:
    """Tabulates mean returns and generalization gaps of several methods, with 95 % intervals.

    Intervals are percentiles over 5,000 bootstrap samples of the seeds. A seed's training and test returns stay
    together; methods are resampled independently. With few seeds the intervals are too narrow: 95 % intervals of five
    Gaussian seeds contain the true value in about 84 % of cases. A single seed has no interval.

    Args:
        environments: Returns by environment and method.
        train: Name of the training column; ``Train Return`` in Table 3.
        levels: Name of each test level; ``("Test Return",)`` in Table 3.
        baseline: Name of the method whose gap is to be closed; every environment must have it.
        seed: Seed of the bootstrap samples.

    Raises:
        ConfigError: If there are no environments, the baseline is missing, or returns have another number of levels.
    """
    _check(environments, levels, baseline)
    rng = np.random.default_rng(seed)
    found = {
        environment: {method: resample(returns, rng) for method, returns in methods.items()}
        for environment, methods in environments.items()
    }
    seeds = [len(returns.train) for methods in environments.values() for returns in methods.values()]
    returns = {
        environment: {method: _return_line(means, train, levels) for method, means in methods.items()}
        for environment, methods in found.items()
    }
    return GeneralizationTable(returns, _gaps(found, baseline), (min(seeds), max(seeds)))


def _check(environments: Mapping[str, Mapping[str, Returns]], levels: Sequence[str], baseline: str) -> None:
    if not environments:
        raise ConfigError("There are no environments to tabulate.")
    if AVERAGE in environments:
        raise ConfigError(f"{AVERAGE!r} names the mean over environments; give that environment another name.")
    for environment, methods in environments.items():
        if baseline not in methods:
            raise ConfigError(f"{environment} has no method {baseline!r}; it has {', '.join(methods) or 'none'}.")
        for method, returns in methods.items():
            if returns.test.shape[1] != len(levels):
                raise ConfigError(
                    f"{method} in {environment} was tested on {returns.test.shape[1]} levels; the table has "
                    f"{len(levels)}: {', '.join(levels)}. Name your levels with levels=."
                )


def _return_line(means: Resampled, train: str, levels: Sequence[str]) -> dict[str, Estimate]:
    columns = {train: means.train} | dict(zip(levels, means.test.T, strict=True))
    if len(levels) > 1:
        columns["Test Mean"] = means.test_mean
    return {name: estimate(figures) for name, figures in columns.items()}


def _gaps(found: Mapping[str, Mapping[str, Resampled]], baseline: str) -> ScoreTable:
    figures = {
        environment: {method: gap_scores(means, methods[baseline]) for method, means in methods.items()}
        for environment, methods in found.items()
    }
    methods = list(next(iter(found.values())))
    if len(found) > 1 and all(set(line) == set(methods) for line in found.values()):
        means = {m: average({environment: line[m] for environment, line in found.items()}) for m in methods}
        shares = {m: np.mean([line[m]["G_perf"] for line in figures.values()], axis=0) for m in methods}
        figures[AVERAGE] = {m: gap_scores(means[m], means[baseline]) | {"G_perf": shares[m]} for m in methods}
    return {
        environment: {m: {name: estimate(x) for name, x in line.items()} for m, line in lines.items()}
        for environment, lines in figures.items()
    }


def _markdown(figures: ScoreTable, digits: Callable[[str], int]) -> str:
    columns = list(next(iter(next(iter(figures.values())).values())))
    return "\n".join(["| " + " | ".join(cells) + " |" for cells in _lines(figures, columns, digits)]) + "\n"


def _lines(figures: ScoreTable, columns: list[str], digits: Callable[[str], int]) -> Iterator[list[str]]:
    yield ["Environment", "Method", *columns]
    yield ["---", "---", *["---:"] * len(columns)]
    for environment, methods in figures.items():
        for i, (method, line) in enumerate(methods.items()):
            cells = [found.text(digits(name)) for name, found in line.items()]
            yield [environment if i == 0 else "", method, *cells]
