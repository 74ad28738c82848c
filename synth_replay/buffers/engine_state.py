"""State of an engine as tensors and JSON values: files can hold these, and reading them runs no code.

Settings (schedules, ratios, the mixture) and functions are not part of it: they come from the constructor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synth_replay.buffers.counts import whole_number
from synth_replay.buffers.draws import DrawCount
from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.generated_share import check_ratio
from synth_replay.buffers.generator_state import (
    State,
    Tensors,
    columns_of,
    generator_state,
    restored_generator,
    rng_of,
    rng_state,
)
from synth_replay.buffers.refresh import RefreshClock
from synth_replay.buffers.snapshots import Snapshot, Snapshots
from synth_replay.buffers.stats import SynthesisStats
from synth_replay.buffers.store import ColumnStore
from synth_replay.buffers.validation import FidelityGate
from synth_replay.checkpoint import WRONG_VALUES
from synth_replay.errors import CheckpointError, InvalidTransitionsError, SpecMismatchError, SynthReplayError
from synth_replay.safe_paths import shown
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

KINDS = {"f": "numbers", "i": "whole numbers", "u": "whole numbers", "b": "flags"}


def engine_state(engine: SynthesisEngine) -> State:
    """Returns the state of an engine: tensors by name, and JSON values."""
    supply = engine.supply
    tensors, generator = generator_state(supply.generator)
    tensors = {f"generator.{name}": tensor for name, tensor in tensors.items()}
    meta = {
        "clock": {"steps": supply.clock.steps, "next_at": supply.clock.next_at, "last_at": supply.clock.last_at},
        "rng": rng_state(engine._rng),
        "figures": vars(supply.figures),
        "real_share": engine._real_share,
        "draws": vars(engine._draws),
        "gate": {"closed": supply.gate.closed, "ratio": supply.gate.ratio},
        "begun": engine._begun,
        "own_fit": supply.own_fit,
        "generator": generator,
        "stores": {name: _store_state(name, store, tensors) for name, store in supply.stores.items()},
        "snapshots": None if supply.snapshots is None else _snapshots_state(supply.snapshots, tensors),
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
    supply, snapshots = engine.supply, engine.supply.snapshots
    if snapshots is not None and meta["snapshots"] is not None:
        snapshots = _snapshots(tensors, meta["snapshots"])
    rng, generator = rng_of(meta["rng"]), restored_generator(supply.generator, learnt, meta["generator"])
    learnt_parts = {
        "clock": _clock(supply.clock.every, meta["clock"]),
        "figures": _figures(meta["figures"]),
        "gate": _gate(supply.gate, meta["gate"]),
        "own_fit": _flag("own_fit", meta["own_fit"]),
        "generator": generator,
        "stores": {name: _store(name, held, tensors, generator.spec) for name, held in meta["stores"].items()},
        "snapshots": snapshots,
        "_rng": rng,
    }
    return {
        "_rng": rng,
        "_real_share": check_ratio("real_share", meta["real_share"]),
        "_draws": _draws(meta["draws"]),
        "_begun": _flag("begun", meta["begun"]),
        "supply": supply.restored(**learnt_parts),
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


# -- counts -------------------------------------------------------------------


def _clock(every: int, held: Mapping[str, Any]) -> RefreshClock:
    clock = RefreshClock(every)
    for name in ("steps", "next_at", "last_at"):
        at = held[name]
        count = None if at is None and name == "last_at" else whole_number(name, at, "environment steps", least=0)
        setattr(clock, name, count)
    return clock


def _draws(held: Mapping[str, Any]) -> DrawCount:
    draws = DrawCount()
    for name in vars(draws):
        setattr(draws, name, whole_number(name, held[name], "rows", least=0))
    return draws


def _gate(current: FidelityGate, held: Mapping[str, Any]) -> FidelityGate:
    """Returns a gate with the settings of the current one, and what the saved one found."""
    gate = FidelityGate(current.floor, current.held_out)
    gate.closed, gate.ratio = _flag("gate", held["closed"]), float(held["ratio"])
    return gate


# -- rows ---------------------------------------------------------------------------------------


def _tensor(array: Array) -> Tensor:
    plain = np.ascontiguousarray(array)
    return torch.from_numpy(plain if plain.flags.writeable else plain.copy())


def _store_state(name: str, store: ColumnStore, tensors: Tensors) -> dict[str, Any]:
    columns = store.rows()
    tensors |= {f"store.{name}.{column}": _tensor(array) for column, array in columns.items()}
    return {"capacity": store.capacity, "compact": store.compact, "columns": list(columns)}


def _store(name: str, held: Mapping[str, Any], tensors: Tensors, spec: TransitionSpec) -> ColumnStore:
    store = ColumnStore(held["capacity"], _flag("compact", held["compact"]))
    columns = columns_of(tensors, f"store.{name}", held["columns"])
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
            source: Transitions.from_leaves(columns_of(tensors, f"snapshot.{number}.{source}", names))
            for source, names in held["rows"].items()
        }
        snapshots.held.append(Snapshot(int(held["step"]), rows, held["sizes"]))
    return snapshots
