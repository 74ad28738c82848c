"""Fidelity of the default CPU preset on latents of pixels: ``python benchmarks/latents.py``.

The encoder is that of the baseline agent of ``benchmarks/visual`` (seed 0; trained first if it is missing). The rows
are all transitions of the dataset, encoded as latents. A tenth is held out. The report is beside the generator, in
``data/visual``.

Three more scores show whether an agent would learn the same from generated rows. Networks are fitted to them and
evaluated on held-out real rows by R2: from the latent to the action, and from both to the reward and to the change of
the latent. ``at a limit`` is the share of actions beyond 0.99 of their bounds.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import Any

import structlog
from shared import ROOT, report

sys.path.insert(0, str(ROOT.parent))  # the study's settings

import numpy as np
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import StandardScaler

from benchmarks.visual.study import TASKS, data_path, how_to_collect, run_of
from synth_replay import TransitionGenerator, Transitions, TransitionSpec, evaluate
from synth_replay.datasets import open_pixels
from synth_replay.generator import CPU
from synth_replay.report import write_report
from synth_replay_visual import (
    Branch,
    claim_folder,
    encode_dataset,
    freeze_encoder,
    make_task,
    pretrain,
    sample_episodes,
)


def latents(name: str) -> tuple[Transitions, TransitionSpec]:
    """Encodes all transitions of a task's dataset, in random order."""
    run, task, data = run_of(name), make_task(name), open_pixels(data_path(name))
    claim_folder(run.folder, task, data, run.config)
    branch = Branch(task, run.config, augmented=False, seed=0, out=run.folder)
    agent = pretrain(branch, sample_episodes(data, run.config.rows, 0))
    encoder = freeze_encoder(branch, agent)
    rows = encode_dataset(branch, data, encoder, cache=branch.folder / "all" / "latents")
    order = np.random.default_rng(0).permutation(len(rows))
    return replace(rows, truncations=None)[order], TransitionSpec(encoder.space, data.action_space)


def learnt(given: Transitions, held: Transitions) -> dict[str, float | None]:
    """Computes R2 on held-out real rows of networks that are fitted to ``given``; None for discrete targets."""

    def both(rows: Transitions) -> Any:
        return np.column_stack([rows.observations, rows.actions])

    def steps(rows: Transitions) -> Any:
        return rows.next_observations - rows.observations

    asked = {"steps": (both, steps)}
    if np.issubdtype(given.actions.dtype, np.floating):
        asked = {"actions": (lambda r: r.observations, lambda r: r.actions)} | asked
        asked |= {"rewards": (both, lambda r: r.rewards[:, None])}
    found: dict[str, float | None] = {"actions": None, "rewards": None}
    for what, (seen, wanted) in asked.items():
        inputs, outputs = StandardScaler().fit(seen(given)), StandardScaler().fit(wanted(given))
        network = MLPRegressor(
            hidden_layer_sizes=(256, 256), alpha=1e-2, batch_size=256, max_iter=25, early_stopping=True, random_state=0
        )
        network.fit(inputs.transform(seen(given)), outputs.transform(wanted(given)).squeeze())
        found[what] = network.score(inputs.transform(seen(held)), outputs.transform(wanted(held)).squeeze())
    return found


def lines(name: str) -> list[dict[str, Any]]:
    """Scores real rows and generated rows against the hold-out."""
    rows, spec = latents(name)
    held, train = rows[: len(rows) // 10], rows[len(rows) // 10 :]
    folder = run_of(name).folder / "cpu-preset"
    if not (folder / "generator.json").exists():
        fitted = TransitionGenerator(spec.observation_space, spec.action_space, CPU, 0)
        fitted.fit(train, checkpoint=folder / "training", progress=True).save(folder)
    generator = TransitionGenerator.load(folder)
    made = generator.sample(len(train), progress=True)
    page = folder / "latents.html"
    write_report(page, train, made, holdout=held, history=generator.history, title=f"{name}: latent transitions")
    found = []
    for label, given in (("real rows", train), ("cpu preset", made)):
        scores = evaluate(held, given, train=train)
        size = {"latent": spec.observation_space.shape[0], "fitted rows": len(train)}  # type: ignore[index]
        figures = {"marginal": scores.marginal, "correlation": scores.correlation, "copy_share": scores.copy_share}
        continuous = np.issubdtype(given.actions.dtype, np.floating)
        figures["at a limit"] = float(np.mean(np.abs(given.actions) > 0.99)) if continuous else None
        found.append({"task": name, "rows": label} | size | figures | learnt(given, held))
    return found


def main() -> None:
    """Scores both tasks, if their data exist."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    table = []
    for name in TASKS:
        if data_path(name).exists():
            table += lines(name)
        else:
            print(f"{name} is left out: {how_to_collect(name)}")
    if table:
        report("latents", table)


if __name__ == "__main__":
    main()
