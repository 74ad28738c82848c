"""Files and state dicts of our TorchRL buffers, which hold tensors and text and no pickle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from tensordict import TensorDictBase
from torch import Tensor
from torchrl.data import TensorDictReplayBuffer

from synth_replay.buffers.engine import SynthesisEngine
from synth_replay.buffers.engine_state import engine_state, restored_parts
from synth_replay.buffers.generator_state import State
from synth_replay.checkpoint import WRONG_VALUES, load_checkpoint, save_checkpoint
from synth_replay.errors import CheckpointError, SynthReplayError
from synth_replay_torchrl.files import require_plain_files
from synth_replay_torchrl.saved_rows import check_folder, check_state

ENGINE_NAME, STATE_KEY = "synthesis", "_synthesis"


@contextmanager
def _reading(what: str) -> Iterator[None]:
    """Turns errors that TorchRL raises while it reads into a short ``CheckpointError``."""
    try:
        yield
    except (OSError, UnpicklingError, *WRONG_VALUES) as error:
        raise CheckpointError(f"TorchRL cannot read {what} ({type(error).__name__}: {error!s:.200}).") from error


class SavedBuffer(TensorDictReplayBuffer):  # type: ignore[misc]
    """A TorchRL buffer that is saved with its engine."""

    engine: SynthesisEngine
    _stored: TensorDictBase | None

    def dumps(self, path: str | Path) -> None:
        """Writes storage and state as TorchRL does, and the generator with its rows beside them, without a pickle.

        Raises:
            OSError: If writing fails.
        """
        super().dumps(path)
        save_checkpoint(path, ENGINE_NAME, *self._own_state())

    def loads(self, path: str | Path, *, trusted: bool = False) -> None:
        """Reads what :meth:`dumps` wrote. No code in the files is executed.

        Schedules, ratios and functions are not in the files: they are those of this buffer.

        Args:
            path: Folder of :meth:`dumps`.
            trusted: Whether TorchRL may open pickles in the folder, which run the code in them. TorchRL writes them
                for rows with objects that are neither tensors nor text.

        Raises:
            CheckpointError: If a stock buffer wrote it, or it is damaged, or holds other kinds of files; nothing is
                changed then, unless TorchRL's own part is damaged.
            SpecMismatchError: If it is of another environment; nothing is changed.
        """
        if not (Path(path) / f"{ENGINE_NAME}.json").exists():
            raise CheckpointError(
                f"{path} holds no {ENGINE_NAME}.json: a stock buffer or an older version wrote it. Load it there, and "
                "preload() its rows here."
            )
        if not trusted:
            require_plain_files(Path(path))
        own = self._restored(*load_checkpoint(path, ENGINE_NAME))
        check_folder(Path(path), self)
        with _reading(str(path)):
            super().loads(path)
        self._take(own)

    def _dump_prefetch_state(self, path: Path, prefetch_state: dict[str, Any]) -> None:
        """Writes nothing: batches that TorchRL drew ahead would be a pickle."""

    def _load_prefetch_state(self, path: Path) -> None:  # noqa: ARG002
        """Returns None: batches that TorchRL drew ahead are a pickle in its files, which is never opened."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Returns TorchRL's state, with ours as tensors and text under ``_synthesis``."""
        tensors, meta = self._own_state()
        found: dict[str, Any] = super().state_dict()
        return found | {STATE_KEY: {"meta": json.dumps(meta), "tensors": tensors}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores a state of :meth:`state_dict`. Nothing in it is executed.

        Schedules, ratios and functions are not in the state: they are those of this buffer.

        Raises:
            CheckpointError: If the state is of a stock buffer or an older version, or damaged; nothing is changed then.
            SpecMismatchError: If it is of another environment; nothing is changed.
        """
        held = state_dict.get(STATE_KEY) if isinstance(state_dict, Mapping) else None
        if not isinstance(held, dict) or not isinstance(held.get("meta"), str):
            raise CheckpointError(
                "This state is of a stock buffer or an older version. Load it there, and preload() its rows here."
            )
        try:
            own = self._restored(held["tensors"], json.loads(held["meta"]))
        except (KeyError, ValueError, RecursionError) as error:
            if isinstance(error, SynthReplayError):
                raise
            raise CheckpointError(f"The saved state is damaged ({error!s:.200}). Save it again.") from error
        check_state(state_dict, self)
        with _reading("the saved state"):
            super().load_state_dict({key: value for key, value in state_dict.items() if key != STATE_KEY})
        self._take(own)

    def _own_state(self) -> State:
        return engine_state(self.engine)

    def _restored(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> dict[str, Any]:
        """Returns the engine's saved parts, without changing anything."""
        return {"engine": restored_parts(self.engine, tensors, meta)}

    def _take(self, own: dict[str, Any]) -> None:
        self.engine.take(own.pop("engine"))
        self.__dict__ |= own
        self._stored = None
