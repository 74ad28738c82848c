"""Tables and pictures of the study: ``python -m benchmarks.visual.summary`` takes what is in ``runs/``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from synth_replay_d3rlpy.visual import ARMS, make_task
from synth_replay_d3rlpy.visual.summary import NAMES, divergences_of, table_of

from benchmarks.intervals import gain, verdict
from benchmarks.visual.study import ABLATED, LATENT_SIZES, ROOT, SEEDS, TASKS, Part
from synth_replay.report.visual import divergence_map, save_png

PAIRS = (("augmented_upsampled", "augmented"), ("augmented_upsampled", "baseline"), ("upsampled", "baseline"))
DOCS = ROOT.parents[1] / "docs"


def results(task: str, features: int) -> list[dict[str, Any]]:
    """Of the seeds that have all four arms."""
    found = []
    for seed in SEEDS:
        paths = [Part(task, features, arm, seed).path for arm in ARMS]
        if all(path.exists() for path in paths):
            found += [json.loads(path.read_text()) for path in paths]
    return found


def ablation() -> list[dict[str, Any]]:
    """Both steps with latents of other sizes (the paper's ablation), where all seeds are there."""
    found, tests = [], make_task(ABLATED).tests
    for size in LATENT_SIZES:
        paths = [Part(ABLATED, size, "augmented_upsampled", seed).path for seed in SEEDS]
        if all(path.exists() for path in paths):
            held = [json.loads(path.read_text()) for path in paths]
            test = [np.mean([np.mean(h["returns"][kind]) for kind in tests]) for h in held]
            line = {
                "latent": size,
                "test mean": float(np.mean(test)),
                "standard error": float(np.std(test, ddof=1)),
            }
            line["standard error"] /= np.sqrt(len(test))
            found.append(line | {"marginal": float(np.mean([h["marginal"] for h in held]))})
    return found


def sizes_table(found: list[dict[str, Any]]) -> str:
    """The ablation in Markdown."""
    lines = ["| latent | mean test return | marginal |", "|---|---|---|"]
    for line in found:
        seen = f"{line['test mean']:.1f} ± {line['standard error']:.1f}"
        lines.append(f"| {line['latent']} | {seen} | {line['marginal']:.3f} |")
    return "\n".join(lines) + "\n"


def differences(name: str, held: list[dict[str, Any]]) -> str:
    """A table of differences in the mean test return, over pairs of a seed."""
    task, better = make_task(name), {}
    for arm in ARMS:
        mine = sorted((h for h in held if h["arm"] == arm), key=lambda h: h["seed"])
        better[arm] = np.array([np.mean([np.mean(h["returns"][kind]) for kind in task.tests]) for h in mine])
    lines = ["| difference in the mean test return | over paired seeds |", "|---|---|"]
    for one, other in PAIRS:
        lines.append(f"| {NAMES[one]} minus {NAMES[other]} | {verdict(gain(better[one], better[other]))} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write JSON, tables and pictures."""
    payload: dict[str, Any] = {"ablation": ablation()}
    for task, (_, features, _) in TASKS.items():
        held = results(task, features)
        if not held:
            print(f"{task}: no seed has all arms")
            continue
        table = table_of(make_task(task), held)
        payload[task] = {"table": table.to_dict(), "results": held}
        (DOCS / "tables" / f"visual_{task}.md").write_text(
            table.markdown(2 if task == "coinrun" else 1) + "\n" + differences(task, held)
        )
        save_png(divergence_map(divergences_of(held), title=task), DOCS / "img" / f"divergence_{task}.png")
        print(table.markdown(), differences(task, held), sep="\n")
    (ROOT.parent / "results" / "visual.json").write_text(json.dumps(payload, indent=1) + "\n")
    if payload["ablation"]:
        (DOCS / "tables" / "visual_latent_sizes.md").write_text(sizes_table(payload["ablation"]))
        print(sizes_table(payload["ablation"]))


if __name__ == "__main__":
    main()
