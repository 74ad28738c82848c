"""What a generator of a buffer has learnt, fitted or not, as tensors and JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synth_replay.augment import StateAugmentation
from synth_replay.buffers.generators import ONE_STEP, RowGenerator
from synth_replay.errors import CheckpointError
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.generator.one_step import OneStepModel
from synth_replay.generator.prompted import PromptedGenerator
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

Tensors = dict[str, Tensor]
State = tuple[Tensors, dict[str, Any]]


def rng_state(rng: np.random.Generator) -> dict[str, Any]:
    """Returns the state of a random stream in JSON types."""
    return dict(rng.bit_generator.state)


def rng_of(state: dict[str, Any]) -> np.random.Generator:
    """Returns the random stream with a state of :func:`rng_state`."""
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    return rng


def columns_of(tensors: Tensors, prefix: str, names: list[str]) -> dict[str, Array]:
    """Returns the tensors with a prefix as arrays by their own names."""
    return {name: tensors[f"{prefix}.{name}"].cpu().numpy() for name in names}


def generator_state(generator: RowGenerator) -> State:
    """Returns the state of a generator or state augmentation, fitted or not.

    Raises:
        CheckpointError: If it is neither.
    """
    if isinstance(generator, StateAugmentation):
        rows = {} if generator._rows is None else generator._rows.leaves()
        meta = {"kind": generator.name, "columns": list(rows), "spec": generator.spec.to_dict()}
        copies = {f"rows.{name}": torch.from_numpy(np.array(array)) for name, array in rows.items()}
        return copies, meta | {"rng": rng_state(generator._rng)}
    if isinstance(generator, PromptedGenerator):
        tensors, held = generator_state(generator.inner)
        return tensors, held | {"prompts": rng_state(generator._rng), "relevance": _name_of(generator)}
    if isinstance(generator, OneStepModel) and generator.config.states is None:
        return {}, {"kind": ONE_STEP, "rng": rng_state(generator._rng)}  # the next refresh fits it anew
    if not isinstance(generator, TransitionGenerator):
        raise CheckpointError(f"A {type(generator).__name__} is not saved in files: pickle the buffer instead.")
    if generator.fitted:
        tensors, held = generator._state()
        return tensors, {"kind": "fitted", **held}
    own = {"kind": "unfitted", "config": generator.config.to_dict(), "seed": generator.seed}
    return {}, own | {"rng": rng_state(generator._rng), "spec": generator.spec.to_dict()}


def restored_generator(current: RowGenerator, tensors: Tensors, meta: dict[str, Any]) -> RowGenerator:
    """Returns a generator with a saved state, on the current one's device and with its function.

    Raises:
        CheckpointError: If the state is of another kind, or names another function.
        SpecMismatchError: If it is of another environment.
    """
    kind = current.name if isinstance(current, StateAugmentation) else "a generator"
    kind = ONE_STEP if isinstance(current, OneStepModel) else kind
    saved = "a generator" if meta["kind"] in ("fitted", "unfitted") else meta["kind"]
    if kind != saved:
        raise CheckpointError(f"The saved state is of {saved}, but the buffer has {kind}: give it the same generator=.")
    if isinstance(current, StateAugmentation):
        return _augmentation(current, tensors, meta)
    if isinstance(current, OneStepModel):
        return current.unfitted(rng_of(meta["rng"]))
    if isinstance(current, PromptedGenerator) != ("prompts" in meta):
        with_or_without = "without" if isinstance(current, PromptedGenerator) else "with"
        raise CheckpointError(
            f"The saved state is of a buffer {with_or_without} relevance=: create the buffer with the same options."
        )
    if isinstance(current, PromptedGenerator):
        if meta["relevance"] != _name_of(current):
            raise CheckpointError(
                f"The saved state was fitted with relevance={meta['relevance']!r}, not {_name_of(current)!r}: give "
                "the buffer the same option."
            )
        made = PromptedGenerator(_diffusion(current.inner, tensors, meta), current.relevance)
        made._rng = rng_of(meta["prompts"])
        return made
    assert isinstance(current, TransitionGenerator)
    return _diffusion(current, tensors, meta)


def _name_of(generator: PromptedGenerator) -> str:
    score = generator.relevance.score
    return "a function" if callable(score) else score


def _augmentation(current: StateAugmentation, tensors: Tensors, meta: dict[str, Any]) -> StateAugmentation:
    spec = TransitionSpec.from_dict(meta["spec"])
    made = StateAugmentation(spec.observation_space, spec.action_space, current.name, 0)
    made._rng = rng_of(meta["rng"])
    if meta["columns"]:
        made.fit(Transitions.from_leaves(columns_of(tensors, "rows", meta["columns"])))
    return made


def _diffusion(current: TransitionGenerator, tensors: Tensors, meta: dict[str, Any]) -> TransitionGenerator:
    function = _trusted_function(current, meta["config"])
    relabel = {**meta["config"]["relabel"], "function": None}
    meta = {**meta, "config": {**meta["config"], "relabel": relabel}}
    spec = TransitionSpec.from_dict(meta["spec"])
    if meta["kind"] == "fitted":
        made = TransitionGenerator._from_state(tensors, meta, current.device)
    else:
        config = type(current.config).from_dict(meta["config"])
        made = TransitionGenerator(spec.observation_space, spec.action_space, config, int(meta["seed"]), current.device)
        made._rng = rng_of(meta["rng"])
    made.require(current.spec.observation_space, current.spec.action_space)
    made.config = replace(made.config, relabel=replace(made.config.relabel, function=function))
    return made


def _trusted_function(current: TransitionGenerator, config: Mapping[str, Any]) -> str | None:
    """Returns the function that the saved configuration names, if the buffer's own names it, too."""
    named: str | None = config["relabel"].get("function")
    if named is not None and named != current.config.relabel.function:
        raise CheckpointError(
            f"The saved state names the function {named!r}, which is not called unless the buffer names it, too. "
            "Give the buffer the configuration that was used (generator=...), then load."
        )
    return named
