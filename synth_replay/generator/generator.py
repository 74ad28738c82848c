"""The generator: fit transitions, sample transitions."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor
from tqdm.auto import tqdm

from synth_replay.checkpoint import load_checkpoint, save_checkpoint, to_bytes
from synth_replay.codec.codec import TransitionCodec
from synth_replay.codec.labels import LabelEncoder
from synth_replay.diffusion import SamplerConfig
from synth_replay.errors import (
    CheckpointError,
    InvalidTransitionsError,
    NotFittedError,
    SpecMismatchError,
    TooFewTransitionsError,
)
from synth_replay.generator.config import GeneratorConfig, resolve_config
from synth_replay.generator.fitted import Drawing, FittedModel, new_denoiser
from synth_replay.generator.fitting import fingerprint, identity_of, new_trainer, train, with_steps
from synth_replay.generator.relabel import fit_relabeler
from synth_replay.generator.relabel_config import resolve_function
from synth_replay.runtime import new_seed, resolve_device, show_progress
from synth_replay.spaces import Array
from synth_replay.transitions import EXTRA_COLUMNS, Transitions, TransitionSpec

MIN_ROWS = 100


class TransitionGenerator:
    """A diffusion model of an environment's transitions (SynthER, Lu et al. 2023).

    Args:
        observation_space: Box, Discrete, MultiDiscrete, MultiBinary or a Dict of these.
        action_space: The same, but no Dict.
        config: Preset name (``paper``, ``fast``, ``cpu``), path of a YAML or JSON file, or a
            :class:`GeneratorConfig`. None takes ``fast`` on a GPU and ``cpu`` on a CPU.
        seed: Seed of every draw; None takes one from the operating system.
        device: Where to train and sample; ``auto`` takes a GPU when there is one.

    Raises:
        UnsupportedSpaceError: If a space cannot be modelled.
        ConfigError: If ``config``, ``seed`` or ``device`` cannot be used.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: str | Path | GeneratorConfig | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
    ) -> None:
        self.spec = TransitionSpec(observation_space, action_space)
        self._asked_device, self.device = device, resolve_device(device)
        self.config = resolve_config(config, self.device)
        self.seed = new_seed(seed)
        self.history: list[dict[str, float]] = []
        self._label: LabelEncoder | None = None
        self._rng = np.random.default_rng(self.seed)
        self._model: FittedModel | None = None

    @property
    def fitted(self) -> bool:
        """Whether :meth:`sample` can be called."""
        return self._model is not None

    @property
    def labels(self) -> list[int | str]:
        """The classes of the last fit's labels; empty without labels, or with a number."""
        return [] if self._label is None else list(self._label.names)

    @property
    def store_rows(self) -> int:
        """Generated rows that a buffer keeps by default."""
        return self.config.store_rows

    def reseed(self, seed: int) -> None:
        """Starts the random stream anew."""
        self.seed, self._rng = seed, np.random.default_rng(seed)

    @property
    def holdout_loss(self) -> float:
        """Best held-out denoising loss of the last fit (per dimension, normalised units; wide rows have weights)."""
        return min((entry["holdout_loss"] for entry in self.history), default=float("nan"))

    # -- fitting ----------------------------------------------------------------------------

    def fit(
        self,
        transitions: Transitions,
        *,
        steps: int | None = None,
        labels: Any = None,
        progress: bool | None = None,
        warm_start: bool = False,
        checkpoint: str | Path | None = None,
    ) -> TransitionGenerator:
        """Learns the distribution of the transitions' rows.

        The generator only changes when the fit has succeeded: an error or Ctrl-C leaves it as it was.

        Args:
            transitions: Real rows in environment units; their extra columns are learnt too.
            steps: Gradient steps, instead of the configuration's.
            labels: ``[n]`` classes (whole numbers or strings), for example the dataset or policy that a row comes
                from, or ``[n]`` floats, for example a return or a curiosity score. The denoiser is conditioned on them,
                and ``sample(label=...)`` draws rows of one. All classes train it equally often.
            progress: Show a progress bar; None shows it on a terminal.
            warm_start: Start from the last fit's weights, if there are any of the same shape. Rows that are described
                by principal axes (``CodecConfig.decorrelate``) always start from scratch: the axes are new ones.
            checkpoint: Folder in which the training state is saved at each evaluation. A fit that finds the state
                of an interrupted one there goes on exactly where it stopped; that of a finished one is taken as it is.

        Raises:
            CheckpointError: If that folder is of a fit with another seed, dataset, spaces or configuration.
            TooFewTransitionsError: With fewer than 100 rows.
            InvalidTransitionsError: If a value is not finite or outside its space.
            SpecMismatchError: If columns are missing or have other shapes.
            ConfigError: If the configuration names a relabelling function that does not exist.
            FitDivergedError: If the loss stops being finite.
        """
        spec = self._check(transitions)
        label = None if labels is None else LabelEncoder.fit(labels, len(transitions))
        values = None if label is None else label.values(labels, len(transitions))
        config = self.config if steps is None else with_steps(self.config, steps)
        seed = int(self._rng.integers(2**63))
        codec = TransitionCodec(spec, config.codec, label)
        data = seed if checkpoint is None else fingerprint(self.seed, transitions, values)
        rng = np.random.default_rng(data)
        encoded = codec.fit(transitions, rng, values)
        denoiser = new_denoiser(codec, config, self.device, int(rng.integers(2**63)))
        if warm_start and self._model is not None:
            self._model.lend_weights(denoiser, codec)
        history: list[dict[str, float]] = []
        show = show_progress(progress)
        if codec.row_dim:
            trainer = new_trainer(denoiser, codec, encoded, transitions.terminations, config, rng)
            history = train(trainer, show, checkpoint, identity_of(config, spec, data))
        columns = None if label is None or values is None else label.encode(values)
        relabeler = fit_relabeler(spec, transitions, config.relabel, self.device, rng, show, columns)
        self._model = FittedModel(codec, denoiser, relabeler, self.config, self.device)
        self.spec, self.history, self._label = spec, history, label
        return self

    def _check(self, transitions: Transitions) -> TransitionSpec:
        spec = self.spec.with_extras([name for name in EXTRA_COLUMNS if getattr(transitions, name) is not None])
        if len(transitions) < MIN_ROWS:
            raise TooFewTransitionsError(
                f"A generator needs at least {MIN_ROWS} transitions to fit; got {len(transitions)}. Collect more first."
            )
        spec.check(transitions)
        if self.config.relabel.function is not None:
            resolve_function(self.config.relabel.function)
        return spec

    # -- sampling ---------------------------------------------------------------------------

    def sample(
        self,
        num_samples: int,
        *,
        label: Any = None,
        guidance_weight: float | None = None,
        sampler: SamplerConfig | None = None,
        relabel: bool = True,
        progress: bool | None = False,
    ) -> Transitions:
        """Draws new transitions.

        Args:
            num_samples: Any number of rows, drawn in chunks of ``config.chunk_rows``.
            label: Only rows of this label, or ``[num_samples]`` labels; None draws labels in the data's proportions.
            guidance_weight: Instead of the configuration's ``guidance.weight``, for rows with labels.
            sampler: Another sampler on the same weights.
            relabel: False gives the denoiser's own rewards and terminations, whatever the configuration says.
            progress: Show a progress bar; None shows it on a terminal.

        Returns:
            ``num_samples`` rows in environment units that satisfy the spec.

        Raises:
            NotFittedError: Before :meth:`fit`.
            InvalidTransitionsError: For a negative number, or a label that was not fitted.
            ConfigError: If the weight is below -1, or needs a null token that was not trained.
        """
        model = self._fitted()
        if num_samples < 0:
            raise InvalidTransitionsError(f"Cannot sample {num_samples} rows.")
        guidance = self.config.guidance
        if guidance_weight is not None:
            guidance = replace(guidance, weight=guidance_weight)
        how = Drawing(sampler or self.config.sampler, guidance)
        codes, values = model.plan(num_samples, label, self._rng)
        rng = torch.Generator(device=self.device).manual_seed(int(self._rng.integers(2**63)))
        out: dict[str, Array] = {}
        # with guidance the network sees each row twice: larger chunks would leave the caches
        chunk = max(1, self.config.chunk_rows // how.guidance.evaluations)
        starts = range(0, max(num_samples, 1), chunk)
        for start in tqdm(starts, "sampling", disable=not show_progress(progress), unit="chunk", leave=False):
            part = slice(start, start + chunk)
            rows = model.draw(codes[part], None if values is None else values[part], how, rng, relabel)
            for name, array in rows.leaves().items():
                full = out.setdefault(name, np.empty((num_samples, *array.shape[1:]), array.dtype))
                full[start : start + chunk] = array
        return Transitions.from_leaves(out)

    def _fitted(self) -> FittedModel:
        if self._model is None:
            raise NotFittedError("This generator has not been fitted: call fit(transitions) first.")
        return self._model

    # -- persistence ------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Writes ``generator.json`` and a safetensors file; an older version survives a failed save.

        Raises:
            NotFittedError: Before :meth:`fit`.
            OSError: If writing fails.
        """
        save_checkpoint(folder, "generator", *self._state())

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "auto") -> TransitionGenerator:
        """Reads a generator that :meth:`save` wrote. Nothing in it is executed.

        Raises:
            CheckpointError: If the files are missing, corrupt or cut short.
            ConfigError: If there is no such device.
        """
        return cls._from_state(*load_checkpoint(folder, "generator"), resolve_device(device))

    def digest(self) -> str:
        """SHA-256 of everything learnt, to tell one fitted generator from another."""
        return hashlib.sha256(to_bytes(self._fitted().state())).hexdigest()

    def require(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Checks that this generator models the given environment.

        Raises:
            SpecMismatchError: If the spaces differ.
        """
        wanted = TransitionSpec(observation_space, action_space)
        if self.spec.with_extras(()) != wanted:
            raise SpecMismatchError(
                f"This generator was fitted for {self.spec}, but is used with {wanted}: "
                "fit one for this environment, or pass the right folder."
            )

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        meta = {"spec": self.spec.to_dict(), "config": self.config.to_dict(), "seed": self.seed}
        meta |= {"label": None if self._label is None else self._label.to_dict(), "history": self.history}
        return self._fitted().state(), meta | {"rng": self._rng.bit_generator.state}

    @classmethod
    def _from_state(
        cls, tensors: dict[str, Tensor], meta: dict[str, Any], device: str | torch.device
    ) -> TransitionGenerator:
        try:
            spec = TransitionSpec.from_dict(meta["spec"])
            config = GeneratorConfig.from_dict(meta["config"])
            self = cls(spec.observation_space, spec.action_space, config, meta["seed"], device)
            label = None if meta["label"] is None else LabelEncoder.from_dict(meta["label"])
            model = FittedModel.from_state(spec, config, self.device, tensors, label)
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"The saved generator is inconsistent: {error}") from error
        self.spec, self._model, self.history = spec, model, meta["history"]
        self._rng.bit_generator.state, self._label = meta["rng"], label
        return self

    def __getstate__(self) -> dict[str, Any]:
        """For buffers that a host library pickles: weights on the CPU, whatever device they are on."""
        state = self.__dict__ | {"device": None, "_model": None}
        if self._model is not None:
            state["tensors"] = {k: v.cpu() for k, v in self._model.state().items()}
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        tensors = state.pop("tensors", None)
        self.__dict__ |= state | {"device": resolve_device(state.get("_asked_device", "auto"), elsewhere=True)}
        if tensors is not None:
            self._model = FittedModel.from_state(self.spec, self.config, self.device, tensors, self._label)
