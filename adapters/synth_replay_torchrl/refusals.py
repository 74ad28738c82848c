"""What TorchRL offers and generated rows cannot serve, refused when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import torch
from torchrl.data import TensorSpec
from torchrl.data.replay_buffers import ConsumingSampler, PrioritizedSampler, SliceSampler, TensorStorage
from torchrl.envs.transforms import Compose, MultiStepTransform

from synth_replay.errors import ConfigError, UnsupportedBufferError, UnsupportedSpaceError


def refuse_arguments(host: dict[str, Any]) -> None:
    """Refuses arguments of the constructor.

    Raises:
        UnsupportedBufferError: For prefetching, sample units and shared buffers.
    """
    if host.get("prefetch"):
        raise UnsupportedBufferError("A refit happens inside sample(), where threads must not overlap: no prefetch.")
    if host.get("sample_unit") is not None:
        raise UnsupportedBufferError("Generated rows have no neighbours: leave out sample_unit.")
    refuse_sharing(bool(host.get("shared")))


def refuse_sharing(shared: bool) -> None:
    """Refuses a buffer that other processes write to.

    Raises:
        UnsupportedBufferError: If ``shared`` is true.
    """
    if shared:
        raise UnsupportedBufferError(
            "A shared buffer is written by other processes, whose steps the generator does not see: leave out shared, "
            "and extend() where you sample."
        )


def refuse_components(buffer: Any) -> None:
    """Refuses parts of a buffer that was made.

    Raises:
        UnsupportedBufferError: For samplers, storages and transforms that cannot be used with generated rows.
    """
    refuse_sampler(buffer.sampler)
    refuse_storage(buffer.storage)
    refuse_transform(buffer.transform)


def refuse_sampler(sampler: Any) -> None:
    """Refuses samplers that need priorities or neighbours, and those that remove rows.

    Raises:
        UnsupportedBufferError: For priorities, slices and consumed rows.
    """
    if isinstance(sampler, PrioritizedSampler):
        raise UnsupportedBufferError("Generated rows have no priority of their own: use RandomSampler.")
    if isinstance(sampler, SliceSampler):
        raise UnsupportedBufferError("Generated rows have no neighbours, so there are no slices: use RandomSampler.")
    if isinstance(sampler, ConsumingSampler):
        raise UnsupportedBufferError(
            "A generator cannot learn from rows that sampling removes: leave out consume_after_n_samples, and "
            "use RandomSampler."
        )


def refuse_storage(storage: Any) -> None:
    """Refuses storages whose rows are not read as columns.

    Raises:
        UnsupportedBufferError: For storages other than of tensors, and of several dimensions.
    """
    if not isinstance(storage, TensorStorage):
        raise UnsupportedBufferError("Rows are read as columns: use LazyTensorStorage or LazyMemmapStorage.")
    if storage.ndim != 1:
        raise UnsupportedBufferError("Use a storage with ndim=1, and extend() with data.reshape(-1).")


def refuse_transform(transform: Any) -> None:
    """Refuses transforms after which stored rows are no longer in the units of the environment's specs.

    Raises:
        UnsupportedBufferError: For multi-step returns, and for transforms with ``in_keys_inv``.
    """
    for part in transform if isinstance(transform, Compose) else [transform]:
        if isinstance(part, MultiStepTransform):
            raise UnsupportedBufferError(
                "MultiStepTransform sums rewards; generated rows are single steps: leave it out."
            )
        if getattr(part, "in_keys_inv", None):
            raise UnsupportedBufferError(
                f"{type(part).__name__} changes {list(part.in_keys_inv)} before they are stored: rows leave the "
                "units of the environment's specs. Put it on the environment, and give that as env=."
            )


def refuse_key(key: Any, found: Iterable[Any]) -> NoReturn:
    """Refuses an observation key that is not there, or nested.

    Raises:
        ConfigError: Always.
    """
    root = [name for name in found if isinstance(name, str)]
    if isinstance(key, str):
        raise ConfigError(f"observation_keys are keys of the root, of {root}; got {key!r}.")
    choose = f"give observation_keys=[...] of {root}, or " if root else ""
    raise ConfigError(
        f"The observation {key!r} is nested, and only keys of the root are modelled: {choose}move it there, by "
        f"RenameTransform([{key!r}], ['observation']) on the environment."
    )


def refuse_dtype(name: str, spec: TensorSpec) -> None:
    """Refuses dtypes that cannot be modelled.

    Raises:
        UnsupportedSpaceError: If the dtype of a spec is bfloat16, complex, or another float than float16 to float64.
    """
    dtype: torch.dtype | None = spec.dtype  # None for text
    known = (torch.float16, torch.float32, torch.float64, torch.bool)
    if dtype is not None and dtype not in known and (dtype.is_floating_point or dtype.is_complex):
        raise UnsupportedSpaceError(f"{name}: {dtype} values cannot be modelled; store them as torch.float32.")
