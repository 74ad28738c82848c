"""Relabelling: rewards and terminations of generated rows from a supervised model or from the user's function."""

from __future__ import annotations

from dataclasses import replace
from pkgutil import resolve_name

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synth_replay.errors import ConfigError, InvalidTransitionsError
from synth_replay.generator.config import RelabelConfig, RewardFunction
from synth_replay.generator.feature_scales import Scale, numbers, scale_of, wide_scale
from synth_replay.generator.termination_rates import TerminationRates
from synth_replay.progress import track
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

CHUNK_ROWS = 65_536


def resolve_function(path: str) -> RewardFunction:
    """Imports the function that ``module:name`` names.

    Raises:
        ConfigError: If there is no such function.
    """
    try:
        found = resolve_name(path)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"relabel.function {path!r} cannot be imported as 'module:name': {error}") from error
    if not callable(found):
        raise ConfigError(f"relabel.function {path!r} is not a function.")
    function: RewardFunction = found
    return function


def relabel_by_function(rows: Transitions, function: RewardFunction) -> Transitions:
    """Returns rows with the rewards and terminations that ``function`` computes.

    Raises:
        InvalidTransitionsError: If the function does not return one finite number and one flag for each row.
    """
    rewards, terminations = function(rows.observations, rows.actions, rows.next_observations)
    changed = replace(rows, rewards=np.asarray(rewards, rows.rewards.dtype), terminations=terminations)
    if not np.isfinite(changed.rewards).all():
        raise InvalidTransitionsError("The relabelling function returned rewards that are not finite.")
    return changed


class Relabeler:
    """A small network p(r, d | s, a, s') that is fitted to real rows and relabels generated ones.

    Labels are a further input, since tasks with equal dynamics may reward differently. A reward that takes few values
    is rounded to the nearest of them.

    Args:
        spec: Columns of a transition.
        config: Size and training of the network.
        device: Device of the network.

    Attributes:
        wide: Scale of the features that float32 cannot hold; None if it holds all.
        rates: Measured rates of terminations, of each class of labels or of all rows; empty before they are measured.
            Where relabelling does not keep the rate, only rewards are relabelled.
    """

    def __init__(self, spec: TransitionSpec, config: RelabelConfig, device: torch.device) -> None:
        self.spec, self.config, self.device = spec, config, device
        self.levels: Array = np.zeros(0, np.float32)
        self.termination_rate = 0.0
        self.scales: dict[str, Scale] = {}
        self.wide: Scale | None = None
        self.network: nn.Sequential | None = None
        self.rates: tuple[TerminationRates, ...] = ()

    # -- features ---------------------------------------------------------------------------

    def _parts(self, rows: Transitions, labels: Array | None) -> list[Array]:
        """Returns labels, observations, actions, s' - s and s' as matrices, with categories as one-hot columns."""
        leaves = rows.leaves()
        parts = [] if labels is None else [labels]
        for leaf in self.spec.leaves:
            head = leaf.name.partition("/")[0]
            if head not in ("observations", "actions", "next_observations"):
                continue
            values = numbers(leaf, leaves[leaf.name])
            if head == "next_observations" and leaf.kind == "continuous":
                parts.append(values - numbers(leaf, leaves[leaf.name.removeprefix("next_")]))
            parts.append(values)
        return parts

    def _raw(self, parts: list[Array]) -> Array:
        """Returns features ``[n, F]`` float32; columns that float32 cannot hold are standardised first."""
        if self.wide is not None:
            edges = np.cumsum([0, *(part.shape[1] for part in parts)])
            parts = [self.wide.standardized(part, slice(*edges[i : i + 2])) for i, part in enumerate(parts)]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    # -- fitting ----------------------------------------------------------------------------

    def fit(
        self, rows: Transitions, rng: np.random.Generator, progress: bool | None = False, labels: Array | None = None
    ) -> Relabeler:
        """Trains the network on real rows.

        Args:
            rows: Real rows.
            rng: Source of the initial weights, the batches and the noise.
            progress: Show progress; None shows a bar on a terminal and lines elsewhere.
            labels: Encoded labels ``[n, L]``, or None.

        Returns:
            The relabelling model itself.
        """
        parts = self._parts(rows, labels)
        self.wide = wide_scale(parts)
        raw, rewards = self._raw(parts), rows.rewards.reshape(-1, 1).astype(np.float32)
        self.scales = {"features": scale_of(raw), "rewards": scale_of(rewards)}
        levels = np.unique(rewards)
        self.levels = levels if len(levels) <= self.config.max_levels else levels[:0]
        features = torch.from_numpy(self.scales["features"](raw)).to(self.device)
        targets = torch.from_numpy(self.scales["rewards"](rewards)[:, 0]).to(self.device)
        terminations = torch.from_numpy(rows.terminations.astype(np.float32)).to(self.device)
        self.termination_rate = float(rows.terminations.mean())
        self.network = self._new_network(features.shape[1], int(rng.integers(2**63)))
        generator = torch.Generator(device=self.device).manual_seed(int(rng.integers(2**63)))
        self._train(self.network, (features, targets, terminations), generator, progress)
        return self

    def _new_network(self, width_in: int, seed: int) -> nn.Sequential:
        width = self.config.width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: list[nn.Module] = [nn.Linear(width_in, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()]
            return nn.Sequential(*layers, nn.Linear(width, 2)).to(self.device)

    def _train(
        self, network: nn.Module, data: tuple[Tensor, Tensor, Tensor], rng: torch.Generator, progress: bool | None
    ) -> None:
        config, device, (x, rewards, terminations) = self.config, self.device, data
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
        batches = torch.randint(len(x), (config.steps, config.batch_size), generator=rng, device=device)
        with track(config.steps, "fitting rewards and terminations", "step", progress) as shown:
            for index in batches:
                batch = x[index]
                batch = batch + config.input_noise * torch.randn(batch.shape, generator=rng, device=device)
                out = network(batch)
                loss = functional.mse_loss(out[:, 0], rewards[index])
                loss = loss + functional.binary_cross_entropy_with_logits(out[:, 1], terminations[index])
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                shown.update()

    # -- use --------------------------------------------------------------------------------

    @torch.inference_mode()
    def predict(self, rows: Transitions, labels: Array | None = None) -> tuple[Array, Array]:
        """Returns expected rewards ``[n]`` and termination probabilities ``[n]`` of rows with encoded labels."""
        assert self.network is not None
        outs = []
        for start in range(0, len(rows), CHUNK_ROWS):
            part = slice(start, start + CHUNK_ROWS)
            raw = self._raw(self._parts(rows[part], None if labels is None else labels[part]))
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
        """Returns rows with predicted rewards and, where relabelling keeps their rate, predicted terminations."""
        rewards, probabilities = self.predict(rows, labels)
        rewards = rewards.astype(rows.rewards.dtype)
        if not 0 < self.termination_rate < 1:  # rows of one class teach nothing
            return replace(rows, rewards=rewards)
        predicted = probabilities >= self.config.threshold
        return replace(
            rows, rewards=rewards, terminations=np.where(self._kept(len(rows), labels), predicted, rows.terminations)
        )

    def _kept(self, count: int, labels: Array | None) -> Array:
        """Returns for each row, ``[count]`` bool, whether relabelling keeps the termination rate of its class."""
        kept = np.array([rates.kept for rates in self.rates] or [True])
        if len(kept) == 1 or labels is None:
            return np.full(count, kept.all())
        rowwise: Array = kept[labels[:, : len(kept)].argmax(axis=1)]
        return rowwise

    # -- persistence ------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """Returns everything learnt, as tensors by name."""
        assert self.network is not None
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        for name, scale in self.scales.items():
            tensors |= {f"mean.{name}": torch.from_numpy(scale.mean), f"std.{name}": torch.from_numpy(scale.std)}
        if self.wide is not None:
            tensors["wide"] = torch.from_numpy(np.stack([self.wide.mean, self.wide.std]))
        if self.rates:
            tensors["rates"] = torch.tensor([rates.numbers() for rates in self.rates], dtype=torch.float64)
        return tensors | {
            "levels": torch.from_numpy(self.levels),
            "termination_rate": torch.tensor(self.termination_rate),
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Replaces everything learnt with a state that :meth:`state` gave for an equal spec and configuration."""
        self.levels, self.termination_rate = tensors["levels"].numpy(), float(tensors["termination_rate"])
        self.rates = tuple(TerminationRates(*each) for each in tensors["rates"].tolist()) if "rates" in tensors else ()
        self.wide = Scale(*tensors["wide"].numpy()) if "wide" in tensors else None
        names = ("features", "rewards")
        self.scales = {n: Scale(tensors[f"mean.{n}"].numpy(), tensors[f"std.{n}"].numpy()) for n in names}
        self.network = self._new_network(len(self.scales["features"].mean), 0)
        weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        self.network.load_state_dict(weights)


def fit_relabeler(
    spec: TransitionSpec,
    rows: Transitions,
    config: RelabelConfig,
    device: torch.device,
    rng: np.random.Generator,
    progress: bool | None = False,
    labels: Array | None = None,
) -> Relabeler | None:
    """Fits a :class:`Relabeler`, where the configuration and the rows allow one.

    Rows whose rewards span several steps (``discounts``, ``intervals``) are not relabelled: such rewards depend on more
    than s, a and s'.

    Args:
        spec: Columns of a transition.
        rows: Real rows.
        config: Settings of the relabelling.
        device: Device of the network.
        rng: Source of the initial weights, the batches and the noise.
        progress: Show progress; None shows a bar on a terminal and lines elsewhere.
        labels: Encoded labels ``[n, L]``, or None.

    Returns:
        The fitted model; None where rows keep the denoiser's own rewards or get those of a function.
    """
    several_steps = rows.discounts is not None or rows.intervals is not None
    if not config.enabled or config.function is not None or several_steps:
        return None
    return Relabeler(spec, config, device).fit(rows, rng, progress, labels)
