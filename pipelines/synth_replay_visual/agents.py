"""Training and saving of d3rlpy agents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

from d3rlpy.algos import QLearningAlgoBase
from d3rlpy.dataset import ReplayBufferBase
from d3rlpy.logging import NoopAdapterFactory

from synth_replay.progress import Progress, track

Agent: TypeAlias = "QLearningAlgoBase[Any, Any]"


def update_bar(description: str, total: int, done: int = 0) -> Progress:
    """Returns the progress of updates: a bar on a terminal, lines elsewhere."""
    return track(total, description, "update", done=done, keep=True)


def train_agent(agent: Agent, buffer: ReplayBufferBase, updates: int, bar: Progress) -> None:
    """Updates an agent on batches of a buffer, without d3rlpy's logs and bars."""
    agent.fit(
        buffer,
        n_steps=updates,
        n_steps_per_epoch=updates,
        callback=lambda *_: bar.update(),
        show_progress=False,
        logger_adapter=NoopAdapterFactory(),
    )


def save_agent(agent: Agent, path: Path) -> None:
    """Saves an agent; the file is either complete or not there."""
    unfinished = path.with_suffix(f".{os.getpid()}.unfinished")
    agent.save(str(unfinished))
    unfinished.replace(path)
