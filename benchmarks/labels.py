"""Label accuracy, fidelity and cost of one labelled generator of offline and online rows.

Offline rows are roll-outs of a medium policy; online rows are the later part of the agent's own replay (``medium`` and
``replay`` of ``examples/collect_dataset.py``). A classifier trained on real rows checks whether generated rows have the
requested label. "separate" stands for two generators without labels, one for each kind, each with half of the steps.
The cost is that of the sampler alone, relative to a generator without labels on both kinds.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
from shared import CACHE, DATA, ROOT, cpu_seconds, report
from sklearn.ensemble import HistGradientBoostingClassifier

from synth_replay import TransitionGenerator, Transitions, evaluate
from synth_replay.evaluation import numeric_columns
from synth_replay.generator import CPU

ENV, STEPS = "Hopper-v5", 60_000
ROWS, HELD, GENERATED, TIMED = 20_000, 5_000, 20_000, 20_480
WEIGHTS, ROUNDS = (0.0, 0.5, 1.0), 7
FOLDER = DATA / "offline_to_online"


def sources() -> dict[str, tuple[Transitions, Transitions]]:
    """Loads rows to fit and held-out rows of each label; missing datasets are collected first."""
    if missing := [kind for kind in ("replay", "medium") if not (FOLDER / f"{ENV}-{kind}.npz").exists()]:
        options = ["--kinds", *missing, "--out", str(FOLDER), "--steps", str(STEPS)]
        options += ["--width", "128", "--batch-size", "128", "--learning-rate", "1e-3"]
        script = ROOT.parent / "examples" / "collect_dataset.py"
        subprocess.run([sys.executable, str(script), "--env", ENV, *options], check=True)
    medium, replayed = (Transitions(**dict(np.load(FOLDER / f"{ENV}-{k}.npz"))) for k in ("medium", "replay"))
    found = {"offline": medium, "online": replayed[-(ROWS + HELD) :]}
    rng = np.random.default_rng(0)
    for name, rows in found.items():
        plain = replace(rows, truncations=None)[rng.permutation(len(rows))[: ROWS + HELD]]
        found[name] = (plain[HELD:], plain[:HELD])
    return found


def generator(name: str, rows: Transitions, labels: np.ndarray | None, share: float = 1.0) -> TransitionGenerator:
    """Returns a fitted generator, from the cache if possible; ``share`` is its share of the preset's steps."""
    folder = CACHE / f"labels-{ENV}-{name}"
    if not (folder / "generator.json").exists():
        env = gym.make(ENV)
        config = replace(CPU, training=replace(CPU.training, steps=int(share * CPU.training.steps)))
        made = TransitionGenerator(env.observation_space, env.action_space, config, 0)
        made.fit(rows, labels=labels, progress=True, checkpoint=folder / "training").save(folder)
    return TransitionGenerator.load(folder)


def accuracy(judge: Any, rows: dict[str, Transitions]) -> float:
    """Computes the classifier's accuracy, averaged over labels."""
    return float(np.mean([(judge.predict(numeric_columns(part)[0]) == name).mean() for name, part in rows.items()]))


def classifier(parts: dict[str, Transitions]) -> Any:
    """Fits a classifier of offline and online rows on all their columns."""
    values = np.concatenate([numeric_columns(rows)[0] for rows in parts.values()])
    labels = np.repeat(list(parts), [len(rows) for rows in parts.values()])
    return HistGradientBoostingClassifier(max_iter=300, random_state=0).fit(values, labels)


def line(what: str, made: dict[str, Transitions], held: dict[str, Transitions], judge: Any) -> dict[str, Any]:
    """Computes label accuracy, and the scores of each label against its own held-out rows."""
    found: dict[str, Any] = {"rows": what, "label accuracy": accuracy(judge, made)}
    for name, rows in made.items():
        scores = evaluate(held[name], rows)
        found |= {f"{name} marginal": scores.marginal, f"{name} correlation": scores.correlation}
    return found


def costs(labelled: TransitionGenerator, plain: TransitionGenerator) -> list[float]:
    """Measures the CPU time of sampling with each guidance weight, relative to no labels.

    Rows are not relabelled. The result has the medians of interleaved rounds.
    """
    draws: list[Callable[[], Any]] = [lambda: plain.sample(TIMED, relabel=False)]
    draws += [
        lambda w=w: labelled.sample(TIMED, relabel=False, label="online", guidance_weight=w)  # type: ignore[misc]
        for w in WEIGHTS
    ]
    times = np.array([[cpu_seconds(draw) for draw in draws] for _ in range(ROUNDS)])
    return list(np.median(times[:, 1:] / times[:, :1], axis=0))


def main() -> None:
    """Fits generators that are not cached, then measures scores and cost."""
    parts = sources()
    fit = {name: rows for name, (rows, _) in parts.items()}
    held = {name: rows for name, (_, rows) in parts.items()}
    both = Transitions.concatenate(list(fit.values()))
    labels = np.repeat(list(fit), [len(rows) for rows in fit.values()])
    labelled, plain = generator("both", both, labels), generator("unlabelled", both, None)
    separate = {name: generator(name, rows, None, 0.5) for name, rows in fit.items()}
    judge = classifier(fit)
    # the scores of real rows compare fitted with held-out rows
    real = line("real rows", {name: rows[:GENERATED] for name, rows in fit.items()}, held, judge)
    table = [real | {"label accuracy": accuracy(judge, held), "cost per row": 1.0}]
    made = {name: found.sample(GENERATED) for name, found in separate.items()}
    table.append(line("separate generators", made, held, judge) | {"cost per row": 1.0})
    for weight, cost in zip(WEIGHTS, costs(labelled, plain), strict=True):
        made = {name: labelled.sample(GENERATED, label=name, guidance_weight=weight) for name in fit}
        table.append(line(f"labelled, w = {weight:g}", made, held, judge) | {"cost per row": float(cost)})
    for found in table:
        found["of real accuracy"] = found["label accuracy"] / table[0]["label accuracy"]
    report("labels", table, environment=ENV, fitted_rows=ROWS, generated_rows=GENERATED)


if __name__ == "__main__":
    main()
