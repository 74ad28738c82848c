"""Tables and pictures of the study: ``python -m benchmarks.visual.summary`` takes what is in ``runs/``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from benchmarks.intervals import gain, verdict
from benchmarks.visual.study import ABLATED, LATENT_SIZES, LONGER, LONGER_SEEDS, ROOT, SEEDS, TASKS, UPDATES, Part
from synth_replay.report.visual import divergence_map, save_png
from synth_replay_visual import ARMS, make_task
from synth_replay_visual.summary import NAMES, divergences_of, table_of

PAIRS = (("augmented_upsampled", "augmented"), ("augmented_upsampled", "baseline"), ("upsampled", "baseline"))
DOCS = ROOT.parents[1] / "docs"


def held(parts: list[Part]) -> list[dict[str, Any]]:
    """Their results, or none if one is missing or was evaluated otherwise."""
    found = [json.loads(part.path.read_text()) for part in parts if part.path.exists()]
    wanted = [result for result in found if result["evaluation"] == parts[0].size.evaluation]
    return wanted if len(wanted) == len(parts) else []


def results(task: str, updates: int = 0) -> list[dict[str, Any]]:
    """Of the seeds that have all four arms."""
    features, seeds = TASKS[task][1], LONGER_SEEDS if updates else SEEDS
    return [result for seed in seeds for result in held([Part(task, features, arm, seed, updates) for arm in ARMS])]


def ablation() -> list[dict[str, Any]]:
    """Both steps with latents of other sizes (the paper's ablation), where all seeds are there."""
    found, tests = [], make_task(ABLATED).tests
    for size in LATENT_SIZES:
        if runs := held([Part(ABLATED, size, "augmented_upsampled", seed) for seed in SEEDS]):
            test = [np.mean([np.mean(run["returns"][kind]) for kind in tests]) for run in runs]
            line = {
                "latent": size,
                "test mean": float(np.mean(test)),
                "standard error": float(np.std(test, ddof=1)),
            }
            line["standard error"] /= np.sqrt(len(test))
            found.append(line | {"marginal": float(np.mean([run["marginal"] for run in runs]))})
    return found


def sizes_table(found: list[dict[str, Any]]) -> str:
    """The ablation in Markdown."""
    lines = ["| latent | mean test return | marginal |", "|---|---|---|"]
    for line in found:
        seen = f"{line['test mean']:.1f} ± {line['standard error']:.1f}"
        lines.append(f"| {line['latent']} | {seen} | {line['marginal']:.3f} |")
    return "\n".join(lines) + "\n"


def differences(name: str, found: list[dict[str, Any]]) -> str:
    """A table of differences in the mean test return, over pairs of a seed."""
    task, better = make_task(name), {}
    for arm in ARMS:
        mine = sorted((h for h in found if h["arm"] == arm), key=lambda h: h["seed"])
        better[arm] = np.array([np.mean([np.mean(h["returns"][kind]) for kind in task.tests]) for h in mine])
    lines = ["| difference in the mean test return | over paired seeds |", "|---|---|"]
    for one, other in PAIRS:
        said = verdict(gain(better[one], better[other]), len(better[one]))
        lines.append(f"| {NAMES[one]} minus {NAMES[other]} | {said} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write JSON, tables and pictures."""
    payload: dict[str, Any] = {"ablation": ablation()}
    for task, updates in [*((task, 0) for task in TASKS), (LONGER, UPDATES)]:
        name, found = f"{task}_{updates}" if updates else task, results(task, updates)
        if not found:
            print(f"{name}: no seed has all arms")
            continue
        table = table_of(make_task(task), found)
        payload[name] = {"table": table.to_dict(), "results": found}
        (DOCS / "tables" / f"visual_{name}.md").write_text(
            table.markdown(2 if task == "coinrun" else 1) + "\n" + differences(task, found)
        )
        if not updates:
            save_png(divergence_map(divergences_of(found), title=task), DOCS / "img" / f"divergence_{name}.png")
        print(table.markdown(), differences(task, found), sep="\n")
    (ROOT.parent / "results" / "visual.json").write_text(json.dumps(payload, indent=1) + "\n")
    if payload["ablation"]:
        (DOCS / "tables" / "visual_latent_sizes.md").write_text(sizes_table(payload["ablation"]))
        print(sizes_table(payload["ablation"]))


if __name__ == "__main__":
    main()
