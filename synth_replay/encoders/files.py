"""Files of encoders: safetensors with a description of known layers, or a torch.export graph, which is code."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as dump_tensors
from torch import nn

from synth_replay.checkpoint import write_atomically
from synth_replay.encoders.architectures import build, describe, require_small
from synth_replay.errors import CheckpointError, ConfigError
from synth_replay.trust import require_trust

META = "encoder.json"
DATA, CODE = ".safetensors", ".pt2"
MOST_ROWS = 1 << 20
MOST_VALUES = 1 << 24  # in one observation, such as 16 stacked RGB frames of 591 x 591 pixels


def write(module: nn.Module, pixel_shape: tuple[int, ...], path: Path, meta: dict[str, Any]) -> Path:
    """Writes a module and metadata; the suffix chooses between data (``.safetensors``) and code (``.pt2``).

    Args:
        module: Maps frames ``[n, *pixel_shape]`` to features.
        pixel_shape: Shape of one observation, channels first.
        path: Target file.
        meta: Metadata in JSON types.

    Raises:
        ConfigError: If the path has another suffix, or the module does not fit the kind of file.
    """
    if path.suffix not in (DATA, CODE):
        raise ConfigError(
            f"An encoder's file ends in {DATA}, or in {CODE} for a network of your own: got {path.name!r}."
        )
    meta = meta | {"pixel_shape": list(pixel_shape)}
    blob = _dump_layers(module, meta) if path.suffix == DATA else _dump_graph(module, meta)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, blob)
    return path


def _dump_layers(module: nn.Module, meta: dict[str, Any]) -> bytes:
    text = json.dumps(meta | {"architecture": describe(module)})
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}
    try:
        return dump_tensors(tensors, {META: text})
    except RuntimeError as error:  # two layers are one
        raise ConfigError(
            "Some layers of the encoder share their weights, which a .safetensors file cannot hold. Save it as .pt2, "
            "which needs trusted=True to load."
        ) from error


def _dump_graph(module: nn.Module, meta: dict[str, Any]) -> bytes:
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    module.to("cpu")  # a graph that was traced on another device loads only there
    rows = torch.export.Dim("rows", min=1, max=MOST_ROWS)  # the graph takes batches of any length
    try:
        graph = torch.export.export(module, (torch.zeros(4, *meta["pixel_shape"]),), dynamic_shapes=({0: rows},))
    except Exception as error:
        raise ConfigError(f"The encoder's module cannot be exported by torch.export: {error}") from error
    finally:
        module.to(device)
    blob = io.BytesIO()
    torch.export.save(graph, blob, extra_files={META: json.dumps(meta)})
    return blob.getvalue()


def read(path: Path, trusted: bool) -> tuple[nn.Module, dict[str, Any]]:
    """Reads a module and its metadata.

    Args:
        path: The file.
        trusted: Whether a graph of torch.export may be loaded. Loading it runs the code in it.

    Raises:
        CheckpointError: If the file is missing, cut short or no encoder.
        UntrustedFileError: If it is a graph that was not loaded with ``trusted`` in this process.
    """
    if not path.is_file():
        raise CheckpointError(f"There is no encoder {path}: write one with FrozenEncoder.save().")
    blob = path.read_bytes()
    if blob[:2] != b"PK":
        return _read_layers(path, blob)
    require_trust(
        blob,
        trusted,
        f"{path} is a graph of torch.export, and loading it runs the code in it.",
        "call FrozenEncoder.load(path, trusted=True) once in this process. A .safetensors file holds no code.",
    )
    return _read_graph(path, blob)


def _read_layers(path: Path, blob: bytes) -> tuple[nn.Module, dict[str, Any]]:
    try:
        length = int.from_bytes(blob[:8], "little")
        meta = json.loads(json.loads(blob[8 : 8 + length])["__metadata__"][META])
        tensors = load_tensors(blob)
        _require_encoder_meta(meta)
        module = build(meta["architecture"])
        require_small(module, tuple(meta["pixel_shape"]))
        module.load_state_dict(tensors, assign=True)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is no encoder. {error}") from error
    except (ValueError, KeyError, TypeError, RuntimeError, RecursionError, SafetensorError) as error:
        raise _no_encoder(path, error) from error
    return module, meta


def _read_graph(path: Path, blob: bytes) -> tuple[nn.Module, dict[str, Any]]:
    extra = {META: ""}
    try:
        module = _anywhere(torch.export.load(io.BytesIO(blob), extra_files=extra).module())
        meta: dict[str, Any] = json.loads(extra[META])
        _require_encoder_meta(meta)
    except Exception as error:
        raise _no_encoder(path, error) from error
    return module, meta


def _no_encoder(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"{path} is no encoder, or is cut short ({type(error).__name__}). Save it again.")


def _require_encoder_meta(meta: dict[str, Any]) -> None:
    shape, (low, high) = meta["pixel_shape"], meta["bounds"]
    if not all(type(n) is int and n > 0 for n in shape) or math.prod(shape) > MOST_VALUES:
        raise CheckpointError(f"Its frames have the impossible shape {str(shape)[:60]}.")
    if not (isinstance(low, (int, float)) and isinstance(high, (int, float)) and -math.inf <= low < high <= math.inf):
        raise CheckpointError(f"Its features have the impossible bounds {str(meta['bounds'])[:60]}.")
    if not (isinstance(meta["latent"], str) and isinstance(meta["hash"], str)):
        raise CheckpointError("Its latent layout and its hash must be text.")


def _anywhere(module: Any) -> nn.Module:
    """Removes the graph's assertions that its input is on the device on which it was traced."""
    for node in list(module.graph.nodes):
        if node.op == "call_function" and node.target is torch.ops.aten._assert_tensor_metadata.default:
            module.graph.erase_node(node)
    module.recompile()
    found: nn.Module = module
    return found
