"""State of an engine as tensors and JSON values: files can hold these, and reading them runs no code.

Settings (schedules, ratios, the mixture) and functions are not part of it: they come from the constructor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synth_replay.augment import StateAugmentation
from synth_replay.buffers.counts import whole_number
from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.generated_share import check_ratio
from synth_replay.buffers.generators import RowGenerator
from synth_replay.buffers.refresh import RefreshClock
from synth_replay.buffers.snapshots import Snapshot, Snapshots
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import ColumnStore
from synth_replay.checkpoint import WRONG_VALUES
from synth_replay.errors import CheckpointError, InvalidTransitionsError, SpecMismatchError, SynthReplayError
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

KINDS = {"f": "numbers", "i": "whole numbers", "u": "whole numbers", "b": "flags"}
Tensors = dict[str, Tensor]
State = tuple[Tensors, dict[str, Any]]


def engine_state(engine: SynthesisEngine) -> State:
    """Returns the state of an engine: tensors by name, and JSON values."""
    tensors, generator = generator_state(engine.generator)
    tensors = {f"generator.{name}": tensor for name, tensor in tensors.items()}
    meta = {
        "clock": {"steps": engine._clock.steps, "next_at": engine._clock.next_at, "last_at": engine._clock.last_at},
        "rng": rng_state(engine._rng),
        "figures": vars(engine._figures),
        "real_share": engine._real_share,
        "gated": engine._gated,
        "own_fit": engine._own_fit,
        "generator": generator,
        "stores": {name: _store_state(name, store, tensors) for name, store in engine.stores.items()},
        "snapshots": None if engine.snapshots is None else _snapshots_state(engine.snapshots, tensors),
    }
    return tensors, meta


def restored_parts(engine: SynthesisEngine, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the attributes of an engine with a saved state; the engine stays as it is.

    :meth:`~synth_replay.buffers.SynthesisEngine.take` takes them over.

    Args:
        engine: Engine of the same environment and mixture, with the settings to use from now on.
        tensors: Tensors of :func:`engine_state`.
        meta: JSON values of :func:`engine_state`.

    Raises:
        CheckpointError: If the state is damaged, of another mixture, or names a function that the engine's own
            configuration does not name.
        SpecMismatchError: If it is of another environment.
    """
    try:
        return _parts(engine, dict(tensors), meta)
    except (CheckpointError, SpecMismatchError):
        raise
    except (SynthReplayError, *WRONG_VALUES) as error:
        raise CheckpointError(f"The saved state is damaged ({error!r:.300}). Save it again.") from error


def _parts(engine: SynthesisEngine, tensors: Tensors, meta: Mapping[str, Any]) -> dict[str, Any]:
    known = {store.name for store in engine.mixture.stores}
    if unknown := set(meta["stores"]) - known:
        raise CheckpointError(
            f"The saved state has the stores {sorted(unknown)}, which this buffer lacks (it has {sorted(known)}): "
            "give it the options of the buffer that was saved."
        )
    learnt = {n.removeprefix("generator."): t for n, t in tensors.items() if n.startswith("generator.")}
    snapshots = engine.snapshots
    if snapshots is not None and meta["snapshots"] is not None:
        snapshots = _snapshots(tensors, meta["snapshots"])
    generator = restored_generator(engine.generator, learnt, meta["generator"])
    return {
        "_clock": _clock(engine._clock.every, meta["clock"]),
        "_rng": rng_of(meta["rng"]),
        "_figures": _figures(meta["figures"]),
        "_real_share": check_ratio("real_share", meta["real_share"]),
        "_gated": _flag("gated", meta["gated"]),
        "_own_fit": _flag("own_fit", meta["own_fit"]),
        "generator": generator,
        "stores": {name: _store(name, held, tensors, generator.spec) for name, held in meta["stores"].items()},
        "snapshots": snapshots,
    }


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise CheckpointError(f"{name} is {shown(value)} in the saved state, not true or false. Save it again.")
    return value


def _figures(held: Mapping[str, Any]) -> SynthesisStats:
    """Returns saved figures after a check of their types; a float may be saved as a whole number."""
    found = SynthesisStats(**held)
    for name, default in vars(SynthesisStats()).items():
        value = getattr(found, name)
        kinds: set[type] = {float, int} if isinstance(default, float) else {type(default)}
        kinds |= {str} if default is None else set()
        if type(value) not in kinds:
            raise CheckpointError(f"The figure {name} is {shown(value)} in the saved state. Save it again.")
    return found


# -- random streams and clock -------------------------------------------------------------------


def rng_state(rng: np.random.Generator) -> dict[str, Any]:
    """Returns the state of a random stream in JSON types."""
    return dict(rng.bit_generator.state)


def rng_of(state: dict[str, Any]) -> np.random.Generator:
    """Returns the random stream with a state of :func:`rng_state`."""
    rng = np.random.default_rng(0)
    rng.bit_generator.state = state
    return rng


def _clock(every: int, held: Mapping[str, Any]) -> RefreshClock:
    clock = RefreshClock(every)
    for name in ("steps", "next_at", "last_at"):
        at = held[name]
        count = None if at is None and name == "last_at" else whole_number(name, at, "environment steps", least=0)
        setattr(clock, name, count)
    return clock


# -- rows ---------------------------------------------------------------------------------------


def _tensor(array: Array) -> Tensor:
    plain = np.ascontiguousarray(array)
    return torch.from_numpy(plain if plain.flags.writeable else plain.copy())


def _columns(tensors: Tensors, prefix: str, names: list[str]) -> dict[str, Array]:
    return {name: tensors[f"{prefix}.{name}"].cpu().numpy() for name in names}


def _store_state(name: str, store: ColumnStore, tensors: Tensors) -> dict[str, Any]:
    columns = store.rows()
    tensors |= {f"store.{name}.{column}": _tensor(array) for column, array in columns.items()}
    return {"capacity": store.capacity, "compact": store.compact, "columns": list(columns)}


def _store(name: str, held: Mapping[str, Any], tensors: Tensors, spec: TransitionSpec) -> ColumnStore:
    store = ColumnStore(held["capacity"], _flag("compact", held["compact"]))
    columns = _columns(tensors, f"store.{name}", held["columns"])
    if len({len(column) for column in columns.values()}) != 1:
        raise CheckpointError(f"The columns of the store {name!r} have different lengths. Save it again.")
    _check_rows(f"The store {name!r}", columns, spec)
    store.replace(columns)
    return store


def _check_rows(what: str, columns: Mapping[str, Array], spec: TransitionSpec) -> None:
    """Checks generated rows that a file holds: names, shapes, kinds of numbers, and values."""
    for leaf in spec.leaves:
        array = columns.get(leaf.name)
        if array is None or array.shape[1:] != leaf.shape or KINDS.get(array.dtype.kind) != KINDS[leaf.dtype.kind]:
            found = "are missing" if array is None else f"have rows of {array.shape[1:]} {array.dtype}"
            raise CheckpointError(f"{what}: its {leaf.name} {found}, not of {leaf.shape} {leaf.dtype}. Save it again.")
    try:
        spec.check(Transitions.from_leaves(columns))
    except (SpecMismatchError, InvalidTransitionsError) as error:
        raise CheckpointError(f"{what}: {error!s:.300} It is damaged: save it again.") from error


def _snapshots_state(snapshots: Snapshots, tensors: Tensors) -> dict[str, Any]:
    held = []
    for number, snapshot in enumerate(snapshots.held):
        leaves = {source: rows.leaves() for source, rows in snapshot.rows.items()}
        for source, columns in leaves.items():
            tensors |= {f"snapshot.{number}.{source}.{name}": _tensor(array) for name, array in columns.items()}
        names = {source: list(columns) for source, columns in leaves.items()}
        held.append({"step": snapshot.step, "sizes": dict(snapshot.sizes), "rows": names})
    return {"rng": rng_state(snapshots._rng), "held": held}


def _snapshots(tensors: Tensors, meta: Mapping[str, Any]) -> Snapshots:
    snapshots = Snapshots(0)
    snapshots._rng = rng_of(meta["rng"])
    for number, held in enumerate(meta["held"]):
        rows = {
            source: Transitions.from_leaves(_columns(tensors, f"snapshot.{number}.{source}", names))
            for source, names in held["rows"].items()
        }
        snapshots.held.append(Snapshot(int(held["step"]), rows, held["sizes"]))
    return snapshots


# -- generators ---------------------------------------------------------------------------------


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
    saved = "a generator" if meta["kind"] in ("fitted", "unfitted") else meta["kind"]
    if kind != saved:
        raise CheckpointError(f"The saved state is of {saved}, but the buffer has {kind}: give it the same generator=.")
    if isinstance(current, StateAugmentation):
        return _augmentation(current, tensors, meta)
    assert isinstance(current, TransitionGenerator)
    return _diffusion(current, tensors, meta)


def _augmentation(current: StateAugmentation, tensors: Tensors, meta: dict[str, Any]) -> StateAugmentation:
    spec = TransitionSpec.from_dict(meta["spec"])
    made = StateAugmentation(spec.observation_space, spec.action_space, current.name, 0)
    made._rng = rng_of(meta["rng"])
    if meta["columns"]:
        made.fit(Transitions.from_leaves(_columns(tensors, "rows", meta["columns"])))
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
