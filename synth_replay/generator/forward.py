"""A forward model p(s' | s, a): an ensemble of Gaussian networks, as in PETS (Chua et al. 2018) and MBPO."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from synth_replay.generator.feature_scales import Scale, numbers, scale_of
from synth_replay.generator.one_step_config import ForwardConfig
from synth_replay.progress import track
from synth_replay.runtime import resolve_device
from synth_replay.spaces import Array, Leaf, as_matrix
from synth_replay.transitions import Transitions, TransitionSpec

CHUNK_ROWS = 65_536
LOG_VARIANCE = (-14.0, 1.0)  # of standardised targets: standard deviations from 0.0009 to 1.65


class _Layer(nn.Module):
    """Linear layers side by side: ``[E, n, width_in]`` to ``[E, n, width_out]``, with torch's initial weights."""

    def __init__(self, members: int, width_in: int, width_out: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(width_in)
        self.weight = nn.Parameter(torch.empty(members, width_in, width_out).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members, 1, width_out).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        return torch.baddbmm(self.bias, x, self.weight)


class _Columns:
    """The columns that a forward model reads and predicts: matrices, with categories as one-hot columns."""

    def __init__(self, spec: TransitionSpec) -> None:
        self.observations = [leaf for leaf in spec.leaves if leaf.name.partition("/")[0] == "observations"]
        self.actions = [leaf for leaf in spec.leaves if leaf.name.partition("/")[0] == "actions"]

    def inputs(self, rows: Transitions) -> Array:
        """Returns s and a, ``[n, F]`` float64."""
        held = rows.leaves()
        parts = [numbers(leaf, held[leaf.name]) for leaf in (*self.observations, *self.actions)]
        return np.concatenate(parts, axis=1, dtype=np.float64)

    def targets(self, rows: Transitions) -> Array:
        """Returns s' - s of continuous columns and s' of categories, ``[n, D]`` float64."""
        held, parts = rows.leaves(), []
        for leaf in self.observations:
            after = numbers(leaf, held[f"next_{leaf.name}"]).astype(np.float64)
            parts.append(after - numbers(leaf, held[leaf.name]) if leaf.kind == "continuous" else after)
        return np.concatenate(parts, axis=1)

    def next_leaves(self, rows: Transitions, made: Array, bounds: dict[str, Array]) -> dict[str, Array]:
        """Returns the columns of s' that predicted targets ``[n, D]`` stand for."""
        held, found, start = rows.leaves(), {}, 0
        for leaf in self.observations:
            width = leaf.size if leaf.kind == "continuous" else sum(leaf.categories)
            part, start = made[:, start : start + width], start + width
            if leaf.kind == "continuous":
                values = _within(as_matrix(held[leaf.name]) + part, bounds[leaf.name], leaf)
            else:
                edges = np.cumsum(leaf.categories)[:-1]
                values = np.stack([x.argmax(1) for x in np.split(part, edges, axis=1)], axis=1) + leaf.low.reshape(-1)
            found[f"next_{leaf.name}"] = values.reshape(len(rows), *leaf.shape).astype(leaf.dtype)
        return found


def _within(values: Array, observed: Array, leaf: Leaf) -> Array:
    """Clips to the observed range; whole numbers are rounded."""
    clipped = np.clip(values, *observed)
    return clipped if np.issubdtype(leaf.dtype, np.floating) else np.rint(clipped)


class ForwardModel:
    """Predicts next observations from observations and actions.

    Each network predicts the mean and the variance of s' - s, in the columns' standard deviations. Categories are
    predicted as one-hot columns. Predictions stay within the observed range.

    Args:
        spec: Columns of a transition.
        config: Size and training of the networks.
        device: Device of the networks.
    """

    def __init__(self, spec: TransitionSpec, config: ForwardConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self._columns = _Columns(spec)
        self._scales: dict[str, Scale] = {}
        self._bounds: dict[str, Array] = {}
        self._network: nn.Sequential | None = None

    def fit(self, rows: Transitions, rng: np.random.Generator, progress: bool | None = False) -> ForwardModel:
        """Trains the networks on real rows.

        Args:
            rows: Real rows.
            rng: Source of the initial weights, the bootstrap samples and the batches.
            progress: Show progress; None shows a bar on a terminal and lines elsewhere.

        Returns:
            The model itself.
        """
        inputs, targets = self._columns.inputs(rows), self._columns.targets(rows)
        self._scales = {"inputs": scale_of(inputs), "targets": scale_of(targets)}
        held = rows.leaves()
        for leaf in (leaf for leaf in self._columns.observations if leaf.kind == "continuous"):
            after = as_matrix(held[f"next_{leaf.name}"])
            self._bounds[leaf.name] = np.stack([after.min(axis=0), after.max(axis=0)]).astype(np.float64)
        self._network = self._new_network(inputs.shape[1], targets.shape[1], int(rng.integers(2**63)))
        generator = torch.Generator(device=self.device).manual_seed(int(rng.integers(2**63)))
        self._train(self._scales["inputs"](inputs), self._standard(targets), generator, progress)
        return self

    def _standard(self, targets: Array) -> Array:
        scale = self._scales["targets"]
        return ((targets - scale.mean) / scale.std).astype(np.float32)

    def _new_network(self, width_in: int, width_out: int, seed: int) -> nn.Sequential:
        members, width = self.config.members, self.config.width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = [_Layer(members, width_in, width), nn.SiLU(), _Layer(members, width, width), nn.SiLU()]
            return nn.Sequential(*layers, _Layer(members, width, 2 * width_out)).to(self.device)

    def _train(self, inputs: Array, targets: Array, rng: torch.Generator, progress: bool | None) -> None:
        config, network = self.config, self._fitted()
        x, y = (torch.from_numpy(a).to(self.device) for a in (inputs, targets))
        samples = torch.randint(len(x), (config.members, len(x)), generator=rng, device=self.device)  # bootstrap
        if config.members == 1:
            samples = torch.arange(len(x), device=self.device)[None]
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
        with track(config.steps, "fitting the forward model", "step", progress) as shown:
            for _ in range(config.steps):
                drawn = torch.randint(len(x), (config.members, config.batch_size), generator=rng, device=self.device)
                index = samples.gather(1, drawn)
                mean, log_variance = _gaussian(network(x[index]))
                loss = functional.gaussian_nll_loss(mean, y[index], log_variance.exp())
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
                shown.update()

    def _fitted(self) -> nn.Sequential:
        assert self._network is not None, "fit first"
        return self._network

    @torch.inference_mode()
    def _outputs(self, rows: Transitions) -> tuple[Array, Array]:
        """Returns standardised means and standard deviations of all networks, ``[E, n, D]``."""
        parts = []
        for start in range(0, len(rows), CHUNK_ROWS):
            inputs = self._scales["inputs"](self._columns.inputs(rows[start : start + CHUNK_ROWS]))
            x = torch.from_numpy(inputs).to(self.device).expand(self.config.members, -1, -1)
            mean, log_variance = _gaussian(self._fitted()(x))
            parts.append((mean.cpu().numpy(), (0.5 * log_variance).exp().cpu().numpy()))
        means, deviations = zip(*parts, strict=True)
        return np.concatenate(means, axis=1), np.concatenate(deviations, axis=1)

    def errors(self, rows: Transitions) -> Array:
        """Returns squared errors of the ensemble's mean, averaged over the standardised columns, ``[n]`` float64."""
        if not len(rows):
            return np.zeros(0)
        gap = self._outputs(rows)[0].mean(axis=0) - self._standard(self._columns.targets(rows))
        found: Array = np.square(gap, dtype=np.float64).mean(axis=1)
        return found

    def next_observations(self, rows: Transitions, rng: np.random.Generator) -> dict[str, Array]:
        """Samples s' of the rows' observations and actions, each from one network that is chosen at random.

        Args:
            rows: Rows whose observations and actions are used.
            rng: Source of the choice and the noise.

        Returns:
            Columns of s' by name, as in :meth:`Transitions.leaves <synth_replay.Transitions>`.
        """
        means, deviations = self._outputs(rows)
        chosen = rng.integers(len(means), size=len(rows)), np.arange(len(rows))
        mean, deviation = means[chosen].astype(np.float64), deviations[chosen]
        scale = self._scales["targets"]
        made = (mean + deviation * rng.standard_normal(mean.shape)) * scale.std + scale.mean
        return self._columns.next_leaves(rows, made, self._bounds)

    def __getstate__(self) -> dict[str, Any]:
        """Returns the state for pickling, with weights on the CPU."""
        network = None if self._network is None else copy.deepcopy(self._network).cpu()
        return self.__dict__ | {"_network": network, "device": str(self.device)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a pickled model, on the CPU if this machine lacks its device."""
        device = resolve_device(state["device"], fall_back=True)
        network = state["_network"]
        self.__dict__ |= state | {"device": device, "_network": None if network is None else network.to(device)}


def _gaussian(out: Tensor) -> tuple[Tensor, Tensor]:
    """Returns means and bounded logarithms of the variances."""
    mean, raw = out.chunk(2, dim=-1)
    low, high = LOG_VARIANCE
    bounded = high - functional.softplus(high - raw)
    return mean, low + functional.softplus(bounded - low)
