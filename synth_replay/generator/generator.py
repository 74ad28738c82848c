"""The generator: fit transitions, sample transitions."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from synth_replay.checkpoint import load_checkpoint, restoring, save_checkpoint, to_bytes
from synth_replay.diffusion.config import SamplerConfig
from synth_replay.diffusion.training import LossRecord
from synth_replay.errors import NotFittedError
from synth_replay.generator.calibration import check_function
from synth_replay.generator.checks import check_count, check_rows, check_spaces, widened_spec
from synth_replay.generator.config import GeneratorConfig, require_trusted_function, resolve_config
from synth_replay.generator.fitted import FittedModel, ModelMeta
from synth_replay.generator.fitting import LabelledRows, fit_model, with_steps
from synth_replay.generator.sampling import SamplingOptions
from synth_replay.runtime import resolve_device, resolve_seed
from synth_replay.transitions import Transitions, TransitionSpec


class TransitionGenerator:
    """A diffusion model of an environment's transitions (SynthER, Lu et al. 2023).

    Args:
        observation_space: Box, Discrete, MultiDiscrete, MultiBinary or a Dict of these.
        action_space: Box, Discrete, MultiDiscrete or MultiBinary.
        config: Preset name (``paper``, ``fast``, ``cpu``), path of a YAML or JSON file, or a
            :class:`GeneratorConfig`. None takes ``fast`` on a GPU and ``cpu`` on a CPU.
        seed: Seed of all random numbers; None takes one from the operating system.
        device: Device for training and sampling; ``auto`` takes a GPU when there is one.

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
        self._unfitted_spec = TransitionSpec(observation_space, action_space)
        self._requested_device, self.device = device, resolve_device(device)
        self.config = resolve_config(config, self.device)
        self.seed = resolve_seed(seed)
        self._rng = np.random.default_rng(self.seed)
        self._model: FittedModel | None = None

    @property
    def fitted(self) -> bool:
        """Whether :meth:`sample` can be called."""
        return self._model is not None

    @property
    def spec(self) -> TransitionSpec:
        """Columns of a transition, including the extra columns of the last fit."""
        return self._unfitted_spec if self._model is None else self._model.codec.spec

    @property
    def labels(self) -> list[int | str]:
        """The classes of the last fit's labels; empty without labels and where the label is a number."""
        encoder = None if self._model is None else self._model.codec.conditions.label
        return [] if encoder is None else list(encoder.classes)

    @property
    def history(self) -> list[LossRecord]:
        """The losses at each evaluation of the last fit."""
        return [] if self._model is None else self._model.history

    @property
    def notes(self) -> list[str]:
        """Warnings about the last fit, for example that terminations are not relabelled, and why."""
        return [] if self._model is None else self._model.notes

    @property
    def holdout_loss(self) -> float:
        """Best held-out denoising loss of the last fit, per column in normalised units; NaN without a fit."""
        return min((record["holdout_loss"] for record in self.history), default=float("nan"))

    @property
    def store_rows(self) -> int:
        """Generated rows that a buffer keeps by default."""
        return self.config.store_rows

    def reseed(self, seed: int) -> None:
        """Restarts the random stream from ``seed``."""
        self.seed, self._rng = seed, np.random.default_rng(seed)

    def set_guidance_weight(self, weight: float) -> None:
        """Replaces the configuration's guidance weight, which :meth:`sample` uses by default.

        Raises:
            ConfigError: If the weight is below -1 or above 100, or needs a null token that the configuration does not
                train.
        """
        self.config = replace(self.config, guidance=replace(self.config.guidance, weight=weight))

    def widen_actions(self, action_space: spaces.Space[Any]) -> None:
        """Replaces the action space with one of wider bounds, which the next fit and all later samples use.

        Raises:
            SpecMismatchError: If the new space has another layout or excludes actions of the current one.
        """
        spec = widened_spec(self.spec, action_space)
        if self._model is None:
            self._unfitted_spec = spec
        else:
            self._model = self._model.with_spec(spec)

    def require(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        """Checks that this generator models the given environment.

        Raises:
            SpecMismatchError: If the spaces differ.
        """
        check_spaces(self.spec, observation_space, action_space)

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

        The generator changes only when the fit succeeds: after an error or Ctrl-C the last fit is still in place.

        Args:
            transitions: Real rows in environment units. Their extra columns are modelled too.
            steps: Gradient steps, instead of the configuration's.
            labels: One label per row, ``[n]``: classes (whole numbers or strings), for example the dataset or policy
                that a row comes from, or floats, for example a return or a curiosity score. The denoiser is conditioned
                on them, and ``sample(label=...)`` generates rows of one label. Training batches contain all classes
                equally often.
            progress: Show progress; None shows a bar on a terminal, and lines elsewhere if it takes long.
            warm_start: Start from the last fit's weights, if the row layout is unchanged. Wide rows that are described
                by principal axes (``CodecConfig.decorrelate``) always start from new weights, since their axes change.
            checkpoint: Folder in which the training state is saved at each evaluation. If it holds the state of an
                interrupted fit, training resumes exactly there; the state of a finished fit is used unchanged.

        Returns:
            The generator itself.

        Raises:
            CheckpointError: If the folder belongs to a fit with another seed, dataset, spaces or configuration.
            TooFewTransitionsError: If there are fewer than :data:`MIN_ROWS` rows.
            InvalidTransitionsError: If a value is not finite or outside its space.
            SpecMismatchError: If columns are missing or have other shapes.
            ConfigError: If ``steps`` is no whole number from 1 on, or the relabelling function does not exist.
            FitDivergedError: If the loss stops being finite.
        """
        spec = check_rows(transitions, self.spec, self.config)
        rows = LabelledRows.from_labels(transitions, labels)
        seed = int(self._rng.integers(2**63))
        self._model = fit_model(
            rows,
            spec,
            self.config if steps is None else with_steps(self.config, steps),
            self.device,
            seed=seed if checkpoint is None else rows.fingerprint(self.seed),
            previous=self._model if warm_start else None,
            checkpoint=checkpoint,
            progress=progress,
        )
        return self

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
        """Samples new transitions.

        Args:
            num_samples: Number of rows, which are sampled in chunks of ``config.chunk_rows``.
            label: One label for all rows, ``[num_samples]`` labels, or None for labels in the data's proportions.
            guidance_weight: Guidance weight for rows with labels, instead of the configuration's.
            sampler: Sampler on the same weights, instead of the configuration's.
            relabel: Use the relabelling that the configuration asks for; False keeps the denoiser's own rewards and
                terminations.
            progress: Show progress; None shows a bar on a terminal, and lines elsewhere if it takes long.

        Returns:
            ``num_samples`` rows in environment units that satisfy the spec.

        Raises:
            NotFittedError: If :meth:`fit` has not been called.
            InvalidTransitionsError: If the number is negative, no whole number or too large for the memory, or a label
                was not fitted.
            ConfigError: If the weight is below -1 or above 100, or needs a null token that was not trained.
        """
        model = self._fitted()
        num_samples = check_count(num_samples, model.codec.spec)
        options = SamplingOptions.from_config(self.config, guidance_weight, sampler, relabel)
        codes, values = model.sample_conditions(num_samples, label, self._rng)
        rng = torch.Generator(device=self.device).manual_seed(int(self._rng.integers(2**63)))
        rows = model.sampler(options, rng).sample_in_chunks(codes, values, progress)
        if options.relabel is not None and options.relabel.function is not None:
            check_function(model.codec.conditions, codes, rows.terminations)
        return rows

    def _fitted(self) -> FittedModel:
        if self._model is None:
            raise NotFittedError("This generator has not been fitted: call fit(transitions) first.")
        return self._model

    # -- persistence ------------------------------------------------------------------------

    def save(self, folder: str | Path) -> None:
        """Writes ``generator.json`` and a safetensors file; an older version survives a failed save.

        Raises:
            NotFittedError: If :meth:`fit` has not been called.
            OSError: If writing fails.
        """
        save_checkpoint(folder, "generator", *self._state())

    @classmethod
    def load(
        cls, folder: str | Path, device: str | torch.device = "auto", *, trusted: bool = False
    ) -> TransitionGenerator:
        """Reads a generator that :meth:`save` wrote. No code in the files is executed.

        Args:
            folder: Folder of the generator.
            device: Device for training and sampling.
            trusted: Whether the files may name a relabelling function, which :meth:`fit` and :meth:`sample` import and
                call. Buffers in the same process then accept the folder, too.

        Raises:
            CheckpointError: If the files are missing, corrupt or cut short.
            UntrustedFileError: If they name a function and ``trusted`` is off.
            ConfigError: If there is no such device.
        """
        made = cls._from_state(*load_checkpoint(folder, "generator"), resolve_device(device))
        require_trusted_function(
            made.config, folder, trusted, f"call TransitionGenerator.load({str(folder)!r}, trusted=True)."
        )
        return made

    def digest(self) -> str:
        """Returns the SHA-256 of everything learnt, which identifies a fitted generator."""
        return hashlib.sha256(to_bytes(self._fitted().state()[0])).hexdigest()

    def _state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, meta = self._fitted().state()
        own = {"config": self.config.to_dict(), "seed": self.seed, "rng": self._rng.bit_generator.state}
        return tensors, {**meta, **own}

    @classmethod
    def _from_state(
        cls, tensors: dict[str, Tensor], meta: dict[str, Any], device: str | torch.device
    ) -> TransitionGenerator:
        with restoring("The saved generator"):
            spec = TransitionSpec.from_dict(meta["spec"])
            config = GeneratorConfig.from_dict(meta["config"])
            self = cls(spec.observation_space, spec.action_space, config, meta["seed"], device)
            self._model = FittedModel.restore(tensors, cast(ModelMeta, meta), config, self.device)
            self._rng.bit_generator.state = meta["rng"]
        return self

    def __getstate__(self) -> dict[str, Any]:
        """Returns the state for pickling, with weights on the CPU: host libraries pickle buffers with generators."""
        state = self.__dict__ | {"device": None, "_model": None}
        if self._model is not None:
            tensors, meta = self._model.state()
            state["fitted"] = {name: tensor.cpu() for name, tensor in tensors.items()}, meta
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a pickled generator, on the CPU if this machine lacks its device."""
        tensors, meta = state.pop("fitted", (None, None))
        self.__dict__ |= state | {"device": resolve_device(state.get("_requested_device", "auto"), fall_back=True)}
        if tensors is not None:
            self._model = FittedModel.restore(tensors, meta, self.config, self.device)
