"""Makes tables and pictures of the study from the files in ``runs/``: ``python -m benchmarks.visual.summary``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.intervals import gain, verdict
from benchmarks.visual.study import (
    ABLATED,
    LATENT_SIZES,
    LONGER,
    LONGER_SEEDS,
    ROOT,
    SEEDS,
    TASKS,
    UPDATES,
    Run,
    RunResult,
    run_of,
)
from synth_replay.report import divergence_map, save_png
from synth_replay_visual import ARM_LABELS, ARMS, ArmResult, Task, divergences_by_arm, make_task, results_table

PAIRS = (("augmented_upsampled", "augmented"), ("augmented_upsampled", "baseline"), ("upsampled", "baseline"))
DOCS = ROOT.parents[1] / "docs"
DECIMALS = {"cheetah-run": 1, "coinrun": 2}


@dataclass(frozen=True)
class AblationLine:
    """Results of one latent size, over seeds.

    Attributes:
        latent: Dimensions of the latent.
        test_mean: Mean test return.
        standard_error: Standard error of the mean.
        marginal: Mean similarity of generated latents' marginal distributions to held-out ones, in [0, 1].
    """

    latent: int
    test_mean: float
    standard_error: float
    marginal: float

    def to_dict(self) -> dict[str, float]:
        """Returns the line in JSON types."""
        return {name.replace("_", " "): value for name, value in asdict(self).items()}


def complete_results(runs: list[Run]) -> list[RunResult]:
    """Loads the results of runs; returns none if one is missing or had another evaluation."""
    found = [RunResult.load(run.path) for run in runs if run.path.exists()]
    same = [run for run in found if run.result.evaluation.settings == runs[0].config.evaluation]
    return same if len(same) == len(runs) else []


def task_results(task: str, updates: int = 0) -> list[RunResult]:
    """Loads the results of the seeds that have all four arms."""
    seeds = LONGER_SEEDS if updates else SEEDS
    return [found for seed in seeds for found in complete_results([run_of(task, arm, seed, updates) for arm in ARMS])]


def mean_test_return(task: Task, result: ArmResult) -> float:
    """Computes the mean over kinds of test environment of the mean return."""
    return float(np.mean([np.mean(result.evaluation.returns[kind]) for kind in task.tests]))


def ablation() -> list[AblationLine]:
    """Computes the paper's ablation: both steps with latents of several sizes, if all seeds are there."""
    lines, task = [], make_task(ABLATED)
    for size in LATENT_SIZES:
        if found := complete_results([Run(ABLATED, size, "augmented_upsampled", seed) for seed in SEEDS]):
            test = [mean_test_return(task, run.result) for run in found]
            error = float(np.std(test, ddof=1) / np.sqrt(len(test)))
            marginal = float(np.mean([run.result.fidelity.marginal for run in found if run.result.fidelity]))
            lines.append(AblationLine(size, float(np.mean(test)), error, marginal))
    return lines


def ablation_table(lines: list[AblationLine]) -> str:
    """Formats the ablation in Markdown."""
    rows = ["| latent | mean test return | marginal |", "|---|---|---|"]
    rows += [f"| {x.latent} | {x.test_mean:.1f} ± {x.standard_error:.1f} | {x.marginal:.3f} |" for x in lines]
    return "\n".join(rows) + "\n"


def differences_table(name: str, found: list[RunResult]) -> str:
    """Formats the differences in the mean test return, over pairs with the same seed, in Markdown."""
    task, means = make_task(name), {}
    for arm in ARMS:
        results = sorted((run.result for run in found if run.result.arm == arm), key=lambda result: result.seed)
        means[arm] = np.array([mean_test_return(task, result) for result in results])
    lines = ["| difference in the mean test return | over paired seeds |", "|---|---|"]
    for ours, base in PAIRS:
        said = verdict(gain(means[ours], means[base]), len(means[ours]))
        lines.append(f"| {ARM_LABELS[ours]} minus {ARM_LABELS[base]} | {said} |")
    return "\n".join(lines) + "\n"


def write_task(name: str, task: str, found: list[RunResult]) -> dict[str, Any]:
    """Writes and prints the table of a task, and returns its entry in the JSON file."""
    results = [run.result for run in found]
    table, differences = results_table(make_task(task), results), differences_table(task, found)
    text = table.markdown(DECIMALS[task]) + "\n" + differences
    (DOCS / "tables" / f"visual_{name}.md").write_text(text)
    print(table.markdown(), differences, sep="\n")
    return {"table": table.to_dict(), "results": [run.to_dict() for run in found]}


def main() -> None:
    """Writes JSON, tables and pictures."""
    lines = ablation()
    payload: dict[str, Any] = {"ablation": [line.to_dict() for line in lines]}
    for task, updates in [*((task, 0) for task in TASKS), (LONGER, UPDATES)]:
        name, found = f"{task}_{updates}" if updates else task, task_results(task, updates)
        if not found:
            print(f"{name}: no seed has all arms")
            continue
        payload[name] = write_task(name, task, found)
        if not updates:
            divergences = divergences_by_arm([run.result for run in found])
            save_png(divergence_map(divergences, title=task), DOCS / "img" / f"divergence_{name}.png")
    (ROOT.parent / "results" / "visual.json").write_text(json.dumps(payload, indent=1) + "\n")
    if lines:
        (DOCS / "tables" / "visual_latent_sizes.md").write_text(ablation_table(lines))
        print(ablation_table(lines))


if __name__ == "__main__":
    main()
