"""The steps of the pipeline, each with its result on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import d3rlpy
import numpy as np
import torch
from d3rlpy.logging import NoopAdapterFactory

from synth_replay import TransitionGenerator, Transitions, TransitionSpec, evaluate
from synth_replay.checkpoint import write_whole
from synth_replay.datasets import PixelDataset, PixelEpisode, stack_transitions
from synth_replay.encoders import FrozenEncoder, encode_transitions
from synth_replay.errors import CheckpointError
from synth_replay.report import write_report
from synth_replay_d3rlpy.episodes import to_replay_buffer
from synth_replay_d3rlpy.frames import PixelReplayBuffer
from synth_replay_d3rlpy.latents import encoder_of, latent_agent, transplant
from synth_replay_d3rlpy.synthetic import SyntheticReplayBuffer
from synth_replay_d3rlpy.visual.config import VisualConfig
from synth_replay_d3rlpy.visual.tasks import Task

QUIET: dict[str, Any] = {"logger_adapter": NoopAdapterFactory()}
SCORED_ROWS = 10_000
ENCODER = "encoder.pt2"


def claim(out: Path, task: Task, data: PixelDataset, size: VisualConfig) -> None:
    """Makes a results folder this run's, or checks that it is.

    Raises:
        CheckpointError: If it is of another task, dataset or size.
    """
    lengths = hashlib.sha256(data.lengths.tobytes()).hexdigest()[:16]
    sizes = {name: str(value) for name, value in vars(size).items() if name not in ("episodes", "save_every")}
    wanted = {"task": str(task), "data": str(data.path.resolve()), "lengths": lengths, "size": sizes}
    path = out / "run.json"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(wanted, indent=1).encode())
    elif (held := json.loads(path.read_text())) != wanted:
        differing = ", ".join(name for name, value in wanted.items() if held.get(name) != value)
        raise CheckpointError(f"{out} holds results of another {differing}. Give another folder.")


def chosen_episodes(dataset: PixelDataset, rows: int | None) -> list[PixelEpisode]:
    """Episodes until there are ``rows`` transitions, or all."""
    found, count = [], 0
    for episode in dataset.episodes():
        if rows is not None and count >= rows:
            break
        found.append(episode)
        count += len(episode)
    return found


def pretrained(
    task: Task, episodes: list[PixelEpisode], space: Any, size: VisualConfig, augmented: bool, seed: int, folder: Path
) -> Any:
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
    buffer = PixelReplayBuffer(
        episodes,
        frame_stack=task.frame_stack,
        n_steps=task.n_steps,
        gamma=config.gamma,
        action_space=space,
    )
    while done < size.pretrain_steps:
        part = min(size.save_every, size.pretrain_steps - done)
        d3rlpy.seed(seed + done)
        buffer.augmenter = task.augmenter(augmented, seed + done)  # a resumed run sees what an undisturbed one does
        agent.fit(buffer, n_steps=part, n_steps_per_epoch=part, show_progress=False, **QUIET)
        done += part
        agent.save(str(folder / "unfinished.d3"))
        # the number is part of the name, so that a stop at any moment leaves a file that says how far it is
        (folder / "unfinished.d3").replace(folder / f"agent-{done:09d}.d3")
        for old in sorted(folder.glob("agent-*.d3"))[:-1]:
            old.unlink()
    return agent


def frozen(agent: Any, size: VisualConfig, folder: Path) -> FrozenEncoder:
    """The agent's encoder, saved beside it."""
    path = folder / ENCODER
    return FrozenEncoder.load(path if path.exists() else encoder_of(agent, size.latent).save(path))


def latents(
    task: Task, episodes: list[PixelEpisode], encoder: FrozenEncoder, augmented: bool, seed: int, folder: Path
) -> Transitions:
    """All transitions as latents, of augmented views in the augmented arms (Eq. 2)."""
    views = task.augmenter(True, seed) if augmented else None
    chunks = stack_transitions(episodes, frame_stack=task.frame_stack)
    return encode_transitions(chunks, encoder, augment=views, seed=seed, cache=folder / "latents")


def generator(rows: Transitions, spec: TransitionSpec, size: VisualConfig, seed: int, folder: Path) -> Path:
    """The folder of the generator of latent transitions, fitted when it is not there."""
    made = folder / "generator"
    if not (made / "generator.json").exists():
        fitted = TransitionGenerator(spec.observation_space, spec.action_space, size.generator, seed)
        fitted.fit(rows, checkpoint=made / "training").save(made)
    return made


def judged(rows: Transitions, source: Path, folder: Path) -> dict[str, float]:
    """How close generated latents are to real ones, and ``latents.html``, the report on it."""
    fitted = TransitionGenerator.load(source)
    real = rows[np.random.default_rng(0).permutation(len(rows))[:SCORED_ROWS]]
    made = fitted.sample(len(real), progress=False)
    page = folder / "latents.html"
    if not page.exists():
        write_report(page, real, made, history=fitted.history, title="Latent transitions", progress=False)
    scores = evaluate(real, made)
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
    steps = size.finetune_steps
    learner.fit(buffer, n_steps=steps, n_steps_per_epoch=steps, show_progress=False, **QUIET)
    return transplant(learner), {"updates": learner.grad_step, "real_share": buffer.stats.real_share}
