"""Rewards and terminations of generated rows, labelled anew by a supervised model or by the user's own function."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from synth_replay.errors import InvalidTransitionsError
from synth_replay.generator.relabel_config import RelabelConfig, RewardFunction
from synth_replay.spaces import Array, Leaf, as_matrix, one_hot
from synth_replay.transitions import Transitions, TransitionSpec

CLIP = 10.0
CHUNK = 65_536


def relabel_by_function(rows: Transitions, function: RewardFunction) -> Transitions:
    """Rows with the rewards and terminations of ``function``.

    Raises:
        InvalidTransitionsError: If it does not return one finite number and one flag for each row.
    """
    rewards, terminations = function(rows.observations, rows.actions, rows.next_observations)
    changed = replace(rows, rewards=np.asarray(rewards, rows.rewards.dtype), terminations=terminations)
    if not np.isfinite(changed.rewards).all():
        raise InvalidTransitionsError("The relabelling function returned rewards that are not finite.")
    return changed


@dataclass(frozen=True)
class _Scale:
    mean: Array
    std: Array

    def __call__(self, values: Array) -> Array:
        return np.clip((values - self.mean) / self.std, -CLIP, CLIP).astype(np.float32)


class Relabeler:
    """A small network p(r, d | s, a, s') fitted on the real rows.

    Rows that carry labels have them as a further input: tasks with the same dynamics may reward differently.
    A reward that only takes a few values is rounded to the nearest of them. Rows whose rewards span several steps
    (``discounts``, ``intervals``) depend on more than s, a and s' and are not relabelled.

    Args:
        spec: What a transition is.
        config: Size and training of the network.
        device: Where it runs.
    """

    def __init__(self, spec: TransitionSpec, config: RelabelConfig, device: torch.device) -> None:
        self.spec, self.config, self.device = spec, config, device
        self.levels: Array = np.zeros(0, np.float32)
        self.end_rate = 0.0
        self.scales: dict[str, _Scale] = {}
        self.network: nn.Sequential | None = None

    # -- features ---------------------------------------------------------------------------

    def _raw(self, rows: Transitions, labels: Array | None) -> Array:
        """``[n, F]``: observations, actions, steps, labels; categories as one-hot columns."""
        leaves = rows.leaves()
        parts = [] if labels is None else [labels]
        for leaf in self.spec.leaves:
            head = leaf.name.partition("/")[0]
            if head not in ("observations", "actions", "next_observations"):
                continue
            values = _numbers(leaf, leaves[leaf.name])
            if head == "next_observations" and leaf.kind == "continuous":
                parts.append(values - _numbers(leaf, leaves[leaf.name.removeprefix("next_")]))
            parts.append(values)
        return np.concatenate(parts, axis=1, dtype=np.float32)

    # -- fitting ----------------------------------------------------------------------------

    def fit(
        self, rows: Transitions, rng: np.random.Generator, progress: bool = False, labels: Array | None = None
    ) -> Relabeler:
        """Trains on real rows and their encoded labels ``[n, L]``."""
        raw, rewards = self._raw(rows, labels), rows.rewards.reshape(-1, 1).astype(np.float32)
        self.scales = {"features": _scale(raw), "rewards": _scale(rewards)}
        levels = np.unique(rewards)
        self.levels = levels if len(levels) <= self.config.max_levels else levels[:0]
        features = torch.from_numpy(self.scales["features"](raw)).to(self.device)
        targets = torch.from_numpy(self.scales["rewards"](rewards)[:, 0]).to(self.device)
        ends = torch.from_numpy(rows.terminations.astype(np.float32)).to(self.device)
        self.end_rate = float(rows.terminations.mean())
        self.network = self._new_network(features.shape[1], int(rng.integers(2**63)))
        generator = torch.Generator(device=self.device).manual_seed(int(rng.integers(2**63)))
        self._train(self.network, (features, targets, ends), generator, progress)
        return self

    def _new_network(self, width_in: int, seed: int) -> nn.Sequential:
        width = self.config.width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: list[nn.Module] = [nn.Linear(width_in, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
            return nn.Sequential(*layers, nn.Linear(width, 2)).to(self.device)

    def _train(
        self, network: nn.Module, data: tuple[Tensor, Tensor, Tensor], rng: torch.Generator, progress: bool
    ) -> None:
        config, device, (x, rewards, ends) = self.config, self.device, data
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
        draws = torch.randint(len(x), (config.steps, config.batch_size), generator=rng, device=device)
        for draw in tqdm(draws, "fitting rewards", disable=not progress, unit="step", leave=False):
            batch = x[draw]
            batch = batch + config.input_noise * torch.randn(batch.shape, generator=rng, device=device)
            out = network(batch)
            loss = functional.mse_loss(out[:, 0], rewards[draw])
            loss = loss + functional.binary_cross_entropy_with_logits(out[:, 1], ends[draw])
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
            schedule.step()

    # -- use --------------------------------------------------------------------------------

    @torch.inference_mode()
    def predict(self, rows: Transitions, labels: Array | None = None) -> tuple[Array, Array]:
        """Expected rewards ``[n]`` and termination probabilities ``[n]``."""
        assert self.network is not None
        outs = []
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            raw = self._raw(rows[part], None if labels is None else labels[part])
            features = self.scales["features"](raw)
            outs.append(self.network(torch.from_numpy(features).to(self.device)).cpu().numpy())
        out = np.concatenate(outs) if outs else np.zeros((0, 2), np.float32)
        scale = self.scales["rewards"]
        rewards = out[:, 0] * scale.std[0] + scale.mean[0]
        if len(self.levels):
            middles = (self.levels[1:] + self.levels[:-1]) / 2
            rewards = self.levels[np.searchsorted(middles, rewards)]
        return rewards, 1 / (1 + np.exp(-out[:, 1].astype(np.float64)))

    def __call__(self, rows: Transitions, labels: Array | None = None) -> Transitions:
        """Rows with predicted rewards and terminations."""
        rewards, probabilities = self.predict(rows, labels)
        rewards = rewards.astype(rows.rewards.dtype)
        ends = (
            probabilities >= self.config.threshold if 0 < self.end_rate < 1 else rows.terminations
        )  # nothing to learn
        return replace(rows, rewards=rewards, terminations=ends)

    # -- persistence ------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Everything learnt, as tensors by name."""
        assert self.network is not None
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for name, scale in self.scales.items():
            tensors |= {f"mean.{name}": torch.from_numpy(scale.mean), f"std.{name}": torch.from_numpy(scale.std)}
        return tensors | {"levels": torch.from_numpy(self.levels), "end_rate": torch.tensor(self.end_rate)}

    @classmethod
    def from_state(
        cls, spec: TransitionSpec, config: RelabelConfig, device: torch.device, tensors: dict[str, Tensor]
    ) -> Relabeler:
        """Rebuilds from :meth:`state`."""
        self = cls(spec, config, device)
        self.levels, self.end_rate = tensors["levels"].numpy(), float(tensors["end_rate"])
        names = ("features", "rewards")
        self.scales = {n: _Scale(tensors[f"mean.{n}"].numpy(), tensors[f"std.{n}"].numpy()) for n in names}
        self.network = self._new_network(len(self.scales["features"].mean), 0)
        weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        self.network.load_state_dict(weights)
        return self


def _numbers(leaf: Leaf, array: Array) -> Array:
    flat = as_matrix(array)
    if leaf.kind == "continuous":
        return flat if np.issubdtype(flat.dtype, np.floating) else flat.astype(np.float32)
    return one_hot(flat.astype(np.int64) - leaf.low.reshape(-1).astype(np.int64), leaf.categories)


def _scale(values: Array) -> _Scale:
    std = values.std(axis=0, dtype=np.float64)
    return _Scale(values.mean(axis=0, dtype=np.float64), np.where(std > 1e-8, std, 1.0))


def fit_relabeler(
    spec: TransitionSpec,
    rows: Transitions,
    config: RelabelConfig,
    device: torch.device,
    rng: np.random.Generator,
    progress: bool = False,
    labels: Array | None = None,
) -> Relabeler | None:
    """A fitted :class:`Relabeler`, or None where the configuration or the rows do not ask for one."""
    several_steps = rows.discounts is not None or rows.intervals is not None
    if not config.enabled or config.function is not None or several_steps:
        return None
    return Relabeler(spec, config, device).fit(rows, rng, progress, labels)
