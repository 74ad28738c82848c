"""The file of an encoder: a graph of torch.export with its weights, and metadata in JSON."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from synth_replay.checkpoint import write_atomically
from synth_replay.errors import CheckpointError, ConfigError

META, SUFFIX = "encoder.json", ".pt2"
MOST_ROWS = 1 << 20


def export(module: nn.Module, pixel_shape: tuple[int, ...], path: Path, meta: dict[str, Any]) -> Path:
    """Writes a module and metadata; the exported graph takes batches of any length.

    Args:
        module: Maps frames ``[n, *pixel_shape]`` to features.
        pixel_shape: Shape of one observation, channels first.
        path: Target file, which ends in ``.pt2``.
        meta: Metadata in JSON types.

    Raises:
        ConfigError: If the path does not end in ``.pt2``, or the module cannot be exported.
    """
    if path.suffix != SUFFIX:
        raise ConfigError(f"An encoder's file ends in {SUFFIX}: got {path.name!r}.")
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    module.to("cpu")  # a graph that was traced on another device loads only there
    rows = torch.export.Dim("rows", min=1, max=MOST_ROWS)
    try:
        graph = torch.export.export(module, (torch.zeros(4, *pixel_shape),), dynamic_shapes=({0: rows},))
    except Exception as error:
        raise ConfigError(f"The encoder's module cannot be exported by torch.export: {error}") from error
    finally:
        module.to(device)
    blob = io.BytesIO()
    torch.export.save(graph, blob, extra_files={META: json.dumps(meta | {"pixel_shape": pixel_shape})})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, blob.getvalue())
    return path


def read(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """Reads a module and its metadata.

    Raises:
        CheckpointError: If the file is missing, cut short or no encoder.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no encoder {path}: write one with FrozenEncoder.save().")
    extra = {META: ""}
    try:
        module = torch.export.load(io.BytesIO(path.read_bytes()), extra_files=extra).module()
        return _anywhere(module), json.loads(extra[META])
    except Exception as error:
        raise CheckpointError(
            f"{path} is no encoder, or is cut short ({type(error).__name__}). Save it again."
        ) from error


def _anywhere(module: Any) -> nn.Module:
    """Removes the graph's assertions that its input is on the device on which it was traced."""
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target is torch.ops.aten._assert_tensor_metadata.default:
            module.graph.erase_node(node)
    module.recompile()
    found: nn.Module = module
    return found
