"""A batch as TorchRL's tensordict, put together of TorchRL's rows and ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tensordict import TensorDictBase
from torch import Tensor

from synth_replay.spaces import Array
from synth_replay_torchrl.conversion import INDEX, nested


def joined(parts: Sequence[TensorDictBase], order: Array) -> TensorDictBase:
    """Returns rows with the keys that all parts have, in the given order."""
    leaves = [dict(part.items(True, True)) for part in parts]
    common = [key for key in leaves[0] if all(key in held for held in leaves)]
    at = torch.as_tensor(order, device=parts[0].device)
    if all(isinstance(held[key], Tensor) for held in leaves for key in common):
        return nested({key: torch.cat([held[key] for held in leaves])[at] for key in common}, len(at), parts[0].device)
    rows: TensorDictBase = torch.cat([part.select(*common) for part in parts], 0)  # text among the real rows
    return rows[at]


def joined_info(real: Sequence[tuple[Any, dict[str, Any]]], others: int, order: Array) -> dict[str, Any]:
    """Returns TorchRL's information on a batch, with the index -1 for rows that are not in its storage."""
    parts = [torch.as_tensor(info[INDEX]).reshape(-1).cpu() for _, info in real]
    return {INDEX: torch.cat([*parts, torch.full((others,), -1)])[torch.as_tensor(order)]}
