"""Step 2: the frozen encoder turns pixel transitions into latent ones (arXiv 2508.12356, Eqs. 2 to 5)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from synth_replay import Transitions
from synth_replay.datasets import PixelDataset
from synth_replay.encoders import FrozenEncoder, encode_transitions
from synth_replay.runtime import show_progress
from synth_replay_visual.branch import Branch

HOLDOUT_SHARE = 10  # one row in ten is held out
MAX_HOLDOUT = 10_000


def encode_dataset(
    branch: Branch, data: PixelDataset, encoder: FrozenEncoder, cache: Path | None = None
) -> Transitions:
    """Encodes all transitions of a dataset; augmented branches encode one augmented view of each (Eq. 2).

    Args:
        branch: Branch of the experiment.
        data: Episodes of frames.
        encoder: Frozen encoder of the branch.
        cache: Folder of the encoded chunks; by default ``latents`` in the branch's folder.

    Returns:
        Transitions with latents ``[n, d]`` as observations, in the order of the dataset.
    """
    return encode_transitions(
        data.transitions(frame_stack=branch.task.frame_stack),
        encoder,
        augmenter=branch.task.generalization_augmenter(branch.seed) if branch.augmented else None,
        seed=branch.seed,
        cache=cache or branch.folder / "latents",
        progress=show_progress(None),
    )


def split_holdout(latents: Transitions, seed: int) -> tuple[Transitions, Transitions]:
    """Splits rows at random into those for the generator and a tenth, at most 10,000, that it never sees.

    Returns:
        Training rows and held-out rows.
    """
    order = np.random.default_rng(seed).permutation(len(latents))
    count = min(MAX_HOLDOUT, max(1, len(latents) // HOLDOUT_SHARE))
    return latents[order[count:]], latents[order[:count]]
