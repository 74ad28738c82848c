"""What our TorchRL buffers leave to TorchRL: storage, writing, sampling of real rows, transforms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tensordict import TensorDictBase
from torch import Tensor
from torchrl.data import (
    Composite,
    LazyTensorStorage,
    SamplerWithoutReplacement,
    TensorSpec,
)
from torchrl.envs import EnvBase

from synth_replay.buffers.mixing import OorbPlan
from synth_replay.errors import ConfigError, UnsupportedBufferError
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions
from synth_replay_torchrl.conversion import INDEX, Layout
from synth_replay_torchrl.refusals import (
    refuse_arguments,
    refuse_components,
    refuse_sampler,
    refuse_sharing,
    refuse_storage,
    refuse_transform,
)
from synth_replay_torchrl.saving import SavedBuffer


class HostBuffer(SavedBuffer):
    """A TorchRL buffer that counts what is written for an engine.

    Subclasses set ``engine`` before anything is written.

    Args:
        env: Environment whose specs are used; or give the next two.
        observation_spec: Spec of single observations, by key.
        action_spec: Spec of single actions.
        observation_keys: Keys of the observations to model; None takes all.
        plain: Whether no rows are ever generated. The buffer then accepts whatever TorchRL's own accepts.
        **host: TorchRL's own arguments.
    """

    def __init__(
        self,
        *,
        env: EnvBase | None = None,
        observation_spec: Composite | None = None,
        action_spec: TensorSpec | None = None,
        observation_keys: Sequence[str] | None = None,
        plain: bool = False,
        **host: Any,
    ) -> None:
        if env is not None:
            observation_spec, action_spec = env.observation_spec_unbatched, env.action_spec_unbatched
        if observation_spec is None or action_spec is None:
            raise ConfigError("Give env=, or observation_spec= and action_spec=: the generator needs their bounds.")
        self._plain = plain
        if not plain:
            refuse_arguments(host)
        host.setdefault("storage", LazyTensorStorage(1_000_000))
        self._stored: TensorDictBase | None = None
        self.layout = Layout.of(observation_spec, action_spec, observation_keys)
        super().__init__(**host)
        if not plain:
            refuse_components(self)

    # -- writing ----------------------------------------------------------------------------

    def add(self, data: TensorDictBase) -> int:
        """Stores one transition, as TorchRL does, and counts it."""
        self._check(data, 0)
        index: int = super().add(self._as_stored(data))
        self.engine.notify()
        return index

    def extend(self, tensordicts: TensorDictBase, *, update_priority: bool | None = None) -> Tensor:
        """Stores a flat batch of transitions, as TorchRL does, and counts them."""
        self._check(tensordicts, 1)
        index: Tensor = super().extend(self._as_stored(tensordicts), update_priority=update_priority)
        self.engine.notify(tensordicts.numel())
        return index

    def empty(self, empty_write_count: bool = True) -> None:
        """Removes all rows, as TorchRL does, and the generated ones with them."""
        super().empty(empty_write_count)
        self._stored = None
        self.engine.reset()

    def _check(self, rows: TensorDictBase, ndim: int) -> None:
        if self._plain:
            return
        self.layout.check(rows, ndim)
        if not self.engine.mixture.rule.never:
            self.layout.refuse_nonfinite(rows, self.engine.steps)

    def _as_stored(self, rows: TensorDictBase) -> TensorDictBase:
        """Returns rows without the keys that the first ones did not have: a storage takes no others afterwards."""
        if self._plain or (stored := self.stored) is None:
            return rows
        held = set(stored.keys(True, True))
        keys = list(rows.keys(True, True))
        known = [key for key in keys if key in held or key == INDEX]
        return rows if len(known) == len(keys) else rows.select(*known)

    def append_transform(self, transform: Any, **kwargs: Any) -> Any:
        """Appends a transform, as TorchRL does; one that changes the stored rows is refused."""
        if not self._plain:
            refuse_transform(transform)
        return super().append_transform(transform, **kwargs)

    def insert_transform(self, index: int, transform: Any, **kwargs: Any) -> Any:
        """Inserts a transform, as TorchRL does; one that changes the stored rows is refused."""
        if not self._plain:
            refuse_transform(transform)
        return super().insert_transform(index, transform, **kwargs)

    # -- parts ------------------------------------------------------------------------------

    def set_sampler(self, sampler: Any) -> None:
        """Replaces the sampler, as TorchRL does; one that cannot be used with generated rows is refused."""
        if not self._plain:
            refuse_sampler(sampler)
        super().set_sampler(sampler)

    def set_storage(self, storage: Any, collate_fn: Any = None) -> None:
        """Replaces the storage, as TorchRL does; one whose rows are not read as columns is refused."""
        if not self._plain:
            refuse_storage(storage)
        super().set_storage(storage, collate_fn)
        self._stored = None

    def share(self, shared: bool = True) -> Any:
        """Shares the buffer with other processes, as TorchRL does; refused if rows are generated."""
        if not self._plain:
            refuse_sharing(shared)
        return super().share(shared)

    # -- reading ----------------------------------------------------------------------------

    def transitions(self) -> Transitions:
        """Returns all real rows that the agent has collected."""
        return self.layout.transitions(self.storage[: len(self)])

    def stats(self) -> dict[str, int | float | bool]:
        """Returns TorchRL's figures, and ours as ``synth/<name>``: :class:`~synth_replay.buffers.SynthesisStats`."""
        ours = {f"synth/{name}": value for name, value in self.engine.stats.to_dict().items()}
        found: dict[str, int | float | bool] = super().stats()
        return found | ours

    @property
    def stored(self) -> TensorDictBase | None:
        """First stored row, for its keys, shapes and dtypes; None while there is none."""
        if self._stored is None and len(self):
            self._stored = self.storage[:1].clone()
        return self._stored

    def drawn(self, count: int) -> tuple[Any, dict[str, Any]]:
        """Returns ``count`` rows, drawn and transformed by TorchRL with its information: fewer at an epoch's end."""
        found: tuple[Any, dict[str, Any]] = super()._sample(count)
        return found

    def real_rows(self, count: int) -> list[tuple[Any, dict[str, Any]]]:
        """Returns exactly ``count`` rows in one part or more; no part for 0.

        If a sampler without replacement runs out in any part, its ``ran_out`` stays True afterwards.
        """
        parts: list[tuple[Any, dict[str, Any]]] = []
        ended = False
        while count > 0:
            parts.append(self.drawn(count))
            count -= len(parts[-1][0])
            ended = ended or self.sampler.ran_out
        if ended and not self.sampler.ran_out:
            self.sampler.ran_out = True
        return parts

    def __iter__(self) -> Iterator[TensorDictBase]:
        """Yields batches as TorchRL does: without replacement, until all real rows have been in one.

        Raises:
            UnsupportedBufferError: If this can never happen, because batches hold no real rows.
        """
        for batch in super().__iter__():
            if self._never_ends(batch):
                raise UnsupportedBufferError(
                    f"A batch of {len(batch)} holds no row of the storage, so iteration would never end: "
                    "raise the share of real rows, or call sample()."
                )
            yield batch

    def _never_ends(self, batch: TensorDictBase) -> bool:
        if self._plain or not isinstance(self.sampler, SamplerWithoutReplacement):
            return False
        chance = isinstance(self.engine.mixture.plan, OorbPlan)  # the next batch may hold some
        return not chance and bool((batch[INDEX] < 0).all())

    def other_rows(self, columns: Mapping[str, Array]) -> TensorDictBase:
        """Returns rows of ours as if they came from the storage, transformed as TorchRL transforms its own."""
        device = getattr(self.storage, "device", None)
        rows = self.layout.tensordict(columns, self.stored, None if device == "auto" else device)
        if not len(self._transform):
            return rows
        try:
            return self._transform(rows)
        except (AttributeError, KeyError, RuntimeError) as error:
            raise UnsupportedBufferError(
                f"A transform of this buffer fails on generated rows ({error}): it may need a key that is no part of a "
                "transition. Apply it before extend(), or leave it out."
            ) from error
