"""The steps of the pipeline, each with its result on disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import d3rlpy
import numpy as np
import torch
from d3rlpy.logging import NoopAdapterFactory
from filelock import FileLock
from tqdm import tqdm

from synth_replay import TransitionGenerator, Transitions, TransitionSpec, evaluate
from synth_replay.checkpoint import write_whole
from synth_replay.datasets import PixelDataset
from synth_replay.datasets.pixels.changes import ChosenPixels
from synth_replay.encoders import FrozenEncoder, encode_transitions
from synth_replay.errors import CheckpointError, ConfigError, SpecMismatchError
from synth_replay.report import write_report
from synth_replay.runtime import show_progress
from synth_replay_d3rlpy.episodes import to_replay_buffer
from synth_replay_d3rlpy.pixels.frames import PixelReplayBuffer
from synth_replay_d3rlpy.pixels.latents import encoder_of, latent_agent, transplant
from synth_replay_d3rlpy.synthetic import SyntheticReplayBuffer
from synth_replay_visual.config import VisualConfig
from synth_replay_visual.tasks import Task

QUIET: dict[str, Any] = {"logger_adapter": NoopAdapterFactory()}
SCORED_ROWS = 10_000
ENCODER = "encoder.pt2"


def claim(out: Path, task: Task, data: PixelDataset, size: VisualConfig) -> None:
    """Makes a results folder this run's, or checks that it is.

    Raises:
        ConfigError: If the task has no such latent.
        CheckpointError: If it is of another task, dataset or size.
    """
    if size.latent not in ("concat", "sum", *task.features):
        known = ", ".join(("concat", "sum", *task.features))
        raise ConfigError(f"The latent of {task.name} is one of {known}; got {size.latent!r}.")
    free = {"save_every", *size.evaluation}
    sizes = {name: str(value) for name, value in vars(size).items() if name not in free}
    wanted = {"task": str(task), "data": data.fingerprint, "size": sizes}
    path = out / "run.json"
    out.mkdir(parents=True, exist_ok=True)
    with FileLock(out / ".lock"):  # arms of one study may run beside each other
        if not path.exists():
            write_whole(path, json.dumps(wanted, indent=1).encode())
        held = json.loads(path.read_text())
    if held != wanted:
        differing = ", ".join(name for name, value in wanted.items() if held.get(name) != value)
        raise CheckpointError(f"{out} holds results of another {differing}. Give another folder.")


def check(task: Task, data: PixelDataset) -> None:
    """Makes every environment of an evaluation once, before hours of learning.

    Raises:
        MissingExtraError: If the simulator, or a library that it draws with, is missing.
        ConfigError: If it cannot draw frames of this size.
        SpecMismatchError: If its observations or actions are not those of the data.
    """
    if (game := getattr(data, "game", task.name)) != task.name:
        raise SpecMismatchError(f"{data.path} is of another game: {game}, not {task.name}.")
    channels, height, width = data.frame_shape
    wanted = (task.frame_stack * channels, height, width)
    for kind in (task.train, *task.tests):
        env = task.make_env(kind, height)
        observed, acted = env.observation_space.shape, env.action_space
        env.close()
        if observed != wanted or _size(acted) != _size(data.action_space):
            raise SpecMismatchError(
                f"{task.name} has observations {observed} and actions {acted}; the data have {wanted} and "
                f"{data.action_space}. Is {data.path} of another task?"
            )


def _size(space: Any) -> tuple[Any, ...]:
    return type(space), space.shape, getattr(space, "n", None)


def chosen_episodes(dataset: PixelDataset, rows: int | None, seed: int) -> PixelDataset:
    """Random episodes until there are ``rows`` transitions, or all; each seed has its own."""
    if rows is None or rows >= len(dataset):
        return dataset
    order = np.random.default_rng(seed).permutation(len(dataset.lengths))
    count = int(np.searchsorted(np.cumsum(dataset.lengths[order]), rows)) + 1
    return ChosenPixels(dataset, np.sort(order[:count]))


def pretrained(task: Task, data: PixelDataset, size: VisualConfig, augmented: bool, seed: int, folder: Path) -> Any:
    """The agent of pixels, learnt in parts that survive a stop."""
    folder.mkdir(parents=True, exist_ok=True)
    held = sorted(folder.glob("agent-*.d3"))
    done = int(held[-1].stem.partition("-")[2]) if held else 0
    device, config = "cuda:0" if torch.cuda.is_available() else "cpu", task.config(size)
    if held:
        agent = d3rlpy.load_learnable(str(held[-1]), device=device)
        agent.set_grad_step(done)
    else:
        d3rlpy.seed(seed)
        agent = config.create(device=device)
    if done >= size.pretrain_steps:
        return agent
    options = {"frame_stack": task.frame_stack, "n_steps": task.n_steps, "gamma": config.gamma}
    buffer = PixelReplayBuffer(data, **options)
    with _bar("Learning from pixels", size.pretrain_steps, done) as bar:
        while done < size.pretrain_steps:
            part = min(size.save_every, size.pretrain_steps - done)
            d3rlpy.seed(seed + done)
            buffer.augmenter = task.augmenter(augmented, seed + done)  # a resumed run sees what an undisturbed one does
            _fit(agent, buffer, part, bar)
            done += part
            # the number is part of the name, so that a stop at any moment leaves a file that says how far it is
            keep(agent, folder / f"agent-{done:09d}.d3")
            for old in sorted(folder.glob("agent-*.d3"))[:-1]:
                old.unlink()
    return agent


def _bar(what: str, total: int, done: int = 0) -> Any:
    return tqdm(total=total, initial=done, desc=what, unit="update", disable=not show_progress(None))


def _fit(agent: Any, buffer: Any, steps: int, bar: Any) -> None:
    options = {"callback": lambda *_: bar.update(), "show_progress": False}
    agent.fit(buffer, n_steps=steps, n_steps_per_epoch=steps, **options, **QUIET)


def keep(agent: Any, path: Path) -> None:
    """Saves an agent: the file is there whole or not at all."""
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished")
    agent.save(str(unfinished))
    unfinished.replace(path)


def frozen(agent: Any, size: VisualConfig, folder: Path) -> FrozenEncoder:
    """The agent's encoder, saved beside it."""
    path = folder / ENCODER
    return FrozenEncoder.load(path if path.exists() else encoder_of(agent, size.latent).save(path))


def latents(
    task: Task, data: PixelDataset, encoder: FrozenEncoder, augmented: bool, seed: int, folder: Path
) -> Transitions:
    """All transitions as latents, of augmented views in the augmented arms (Eq. 2)."""
    views = task.generalization(seed) if augmented else None
    chunks = data.transitions(frame_stack=task.frame_stack)
    bar = show_progress(None)
    return encode_transitions(chunks, encoder, augment=views, seed=seed, cache=folder / "latents", progress=bar)


def held_out(rows: Transitions, seed: int) -> tuple[Transitions, Transitions]:
    """Rows for the generator, and a tenth of all that it never sees, to judge it by."""
    order = np.random.default_rng(seed).permutation(len(rows))
    count = min(SCORED_ROWS, max(1, len(rows) // 10))
    return rows[order[count:]], rows[order[:count]]


def generator(rows: Transitions, spec: TransitionSpec, size: VisualConfig, seed: int, folder: Path) -> Path:
    """The folder of the generator of latent transitions, fitted when it is not there."""
    made = folder / "generator"
    if not (made / "generator.json").exists():
        fitted = TransitionGenerator(spec.observation_space, spec.action_space, size.generator, seed)
        fitted.fit(held_out(rows, seed)[0], checkpoint=made / "training").save(made)
    return made


def judged(rows: Transitions, source: Path, seed: int, folder: Path) -> dict[str, float]:
    """How close generated latents are to held-out real ones, and ``latents.html``, the report on it."""
    fitted, (seen, unseen) = TransitionGenerator.load(source), held_out(rows, seed)
    seen, made = seen[:SCORED_ROWS], fitted.sample(SCORED_ROWS, progress=False)
    page = folder / "latents.html"
    if not page.exists():
        history = fitted.history
        write_report(page, seen, made, holdout=unseen, history=history, title="Latent transitions", progress=False)
    scores = evaluate(unseen, made, train=seen)
    return {"marginal": scores.marginal, "correlation": scores.correlation}


def finetuned(
    agent: Any,
    rows: Transitions,
    spec: TransitionSpec,
    source: Path | None,
    size: VisualConfig,
    seed: int,
    folder: Path,
) -> tuple[Any, dict[str, float]]:
    """Heads learnt on latents, back on pixels, and what they learnt from.

    ``source`` is the generator, None for real latents alone.
    """
    learner = latent_agent(agent, folder / ENCODER)
    buffer = SyntheticReplayBuffer.wrap(
        to_replay_buffer(rows, spec),
        env=SimpleNamespace(observation_space=spec.observation_space, action_space=spec.action_space),
        real_ratio=1.0 if source is None else size.real_ratio,
        generator=source,
        extra_columns=(),
        seed=seed,
        progress=False,
    )
    d3rlpy.seed(seed)
    with _bar("Fine-tuning", size.finetune_steps) as bar:
        _fit(learner, buffer, size.finetune_steps, bar)
    return transplant(learner), {"updates": learner.grad_step, "real_share": buffer.stats.real_share}
