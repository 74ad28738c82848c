"""Step 1: an agent learns from pixels, and its encoder is frozen (arXiv 2508.12356, Eqs. 2 to 4)."""

from __future__ import annotations

from pathlib import Path

import d3rlpy
import torch

from synth_replay.datasets import PixelDataset
from synth_replay.encoders import FrozenEncoder
from synth_replay_d3rlpy import PixelReplayBuffer, encoder_of
from synth_replay_visual.agents import Agent, save_agent, train_agent, update_bar
from synth_replay_visual.branch import Branch


def pretrain(branch: Branch, data: PixelDataset) -> Agent:
    """Trains the agent on pixels in parts, each of which ends with a checkpoint; a resumed call continues.

    Args:
        branch: Branch of the experiment.
        data: Episodes of frames.

    Returns:
        The agent after ``config.pretrain_steps`` updates.
    """
    task, config = branch.task, branch.config
    branch.folder.mkdir(parents=True, exist_ok=True)
    agent, done = _start(branch)
    if done >= config.pretrain_steps:
        return agent
    gamma = agent.config.gamma
    buffer = PixelReplayBuffer(data, frame_stack=task.frame_stack, n_steps=task.n_steps, gamma=gamma)
    with update_bar("Learning from pixels", config.pretrain_steps, done) as bar:
        while done < config.pretrain_steps:
            updates = min(config.save_every, config.pretrain_steps - done)
            # streams restart at every checkpoint, so that a resumed run equals an uninterrupted one
            d3rlpy.seed(branch.seed + done)
            buffer.augmenter = task.pretraining_augmenter(branch.augmented, branch.seed + done)
            train_agent(agent, buffer, updates, bar)
            done += updates
            _save_checkpoint(agent, branch.folder, done)
    return agent


def _start(branch: Branch) -> tuple[Agent, int]:
    """Returns the agent of the newest checkpoint, or a new one, and the number of its updates."""
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    if held := _checkpoints(branch.folder):
        done = int(held[-1].stem.partition("-")[2])
        agent = d3rlpy.load_learnable(str(held[-1]), device=device)
        agent.set_grad_step(done)
        return agent, done
    d3rlpy.seed(branch.seed)
    return branch.task.agent_config(branch.config).create(device=device), 0


def _save_checkpoint(agent: Agent, folder: Path, done: int) -> None:
    # the file name holds the number of updates, so that both are written in one step
    save_agent(agent, folder / f"agent-{done:09d}.d3")
    for old in _checkpoints(folder)[:-1]:
        old.unlink()


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("agent-*.d3"))


def freeze_encoder(branch: Branch, agent: Agent) -> FrozenEncoder:
    """Freezes the agent's encoder and saves it beside the agent; a saved one is loaded."""
    path = branch.encoder_path
    return FrozenEncoder.load(path if path.exists() else encoder_of(agent, branch.config.latent).save(path))
