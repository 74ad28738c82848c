"""Step 3: a diffusion model learns the latent transitions (arXiv 2508.12356, Eq. 6)."""

from __future__ import annotations

from pathlib import Path

from synth_replay import TransitionGenerator, Transitions, TransitionSpec, evaluate
from synth_replay.report import write_report
from synth_replay_visual.branch import Branch
from synth_replay_visual.encoding import split_holdout
from synth_replay_visual.results import LatentFidelity

SCORED_ROWS = 10_000


def fit_generator(branch: Branch, latents: Transitions, spec: TransitionSpec) -> Path:
    """Fits the generator of latent transitions and saves it; a saved one is kept.

    Args:
        branch: Branch of the experiment.
        latents: Real transitions with latents as observations; a tenth is held out.
        spec: Spaces of the latent transitions.

    Returns:
        Folder of the generator.
    """
    path = branch.generator_path
    if not (path / "generator.json").exists():
        seen, _ = split_holdout(latents, branch.seed)
        made = TransitionGenerator(spec.observation_space, spec.action_space, branch.config.generator, branch.seed)
        made.fit(seen, checkpoint=path / "training").save(path)
    return path


def score_generator(branch: Branch, latents: Transitions) -> LatentFidelity:
    """Scores generated latents against held-out real ones, and writes ``latents.html``, a report on them."""
    generator = TransitionGenerator.load(branch.generator_path)
    seen, unseen = split_holdout(latents, branch.seed)
    seen, made = seen[:SCORED_ROWS], generator.sample(SCORED_ROWS, progress=False)
    page = branch.folder / "latents.html"
    if not page.exists():
        write_report(
            page,
            seen,
            made,
            holdout=unseen,
            history=generator.history,
            title="Latent transitions",
            progress=False,
        )
    scores = evaluate(unseen, made, train=seen)
    return LatentFidelity(scores.marginal, scores.correlation)
