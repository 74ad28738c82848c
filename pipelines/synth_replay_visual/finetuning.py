"""Step 4: the heads learn from latents and return to pixels (arXiv 2508.12356, Section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import d3rlpy

from synth_replay import Transitions, TransitionSpec
from synth_replay_d3rlpy import SyntheticReplayBuffer, latent_agent, to_replay_buffer, transplant
from synth_replay_visual.agents import Agent, train_agent, update_bar
from synth_replay_visual.branch import Branch


@dataclass(frozen=True)
class FineTuned:
    """A fine-tuned agent.

    Attributes:
        agent: Agent on pixels, with the frozen encoder and the fine-tuned heads.
        updates: Number of its updates, on pixels and on latents together.
        real_share: Share of real rows in the last batch, in [0, 1].
    """

    agent: Agent
    updates: int
    real_share: float


def finetune(
    branch: Branch, agent: Agent, latents: Transitions, spec: TransitionSpec, generator: Path | None
) -> FineTuned:
    """Trains the agent's heads on latents, and puts them back on the encoder.

    Args:
        branch: Branch of the experiment.
        agent: Agent on pixels, which is not changed.
        latents: Real transitions with latents as observations.
        spec: Spaces of the latent transitions.
        generator: Folder of the generator that upsamples the latents; None trains on real latents only.
    """
    learner = latent_agent(agent, branch.encoder_path)
    buffer = SyntheticReplayBuffer.wrap(
        to_replay_buffer(latents, spec),
        env=SimpleNamespace(observation_space=spec.observation_space, action_space=spec.action_space),
        real_ratio=1.0 if generator is None else branch.config.real_ratio,
        generator=generator,
        extra_columns=(),
        seed=branch.seed,
        progress=False,
    )
    d3rlpy.seed(branch.seed)
    updates = branch.config.finetune_steps
    with update_bar("Fine-tuning", updates) as bar:
        train_agent(learner, buffer, updates, bar)
    return FineTuned(transplant(learner), learner.grad_step, buffer.stats.real_share)
