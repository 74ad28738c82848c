"""Networks built from a JSON description of known layers, so that loading an encoder's file runs none of its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from synth_replay.encoders.networks import Centred, ResidualBlock
from synth_replay.errors import CheckpointError, ConfigError
from synth_replay.safe_paths import shown

MOST = 64  # largest kernel, stride and padding: larger ones would fill the memory with zeros
DEEPEST = 16  # levels of nested sequences
MOST_LAYERS = 256  # limit on all layers, on features, and on the stages of one feature
MOST_OUTPUTS = 1 << 26  # values that all layers together output for two observations


class Layer(NamedTuple):
    """A layer that a file may name.

    Attributes:
        type: Class of the layer.
        sizes: Names of arguments whose values the shapes of the weights confirm; they may be large.
        settings: Names of the other arguments that a file may set.
    """

    type: type[nn.Module]
    sizes: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


_WINDOW = ("kernel_size", "stride", "padding")
_LAYERS = (
    Layer(Centred),
    Layer(ResidualBlock, ("depth",)),
    Layer(nn.Linear, ("in_features", "out_features"), ("bias",)),
    Layer(nn.Conv2d, ("in_channels", "out_channels"), (*_WINDOW, "dilation", "groups", "padding_mode", "bias")),
    Layer(nn.MaxPool2d, (), (*_WINDOW, "dilation", "ceil_mode")),
    Layer(nn.AvgPool2d, (), (*_WINDOW, "ceil_mode")),
    Layer(nn.BatchNorm1d, ("num_features",), ("eps", "momentum", "affine", "track_running_stats")),
    Layer(nn.BatchNorm2d, ("num_features",), ("eps", "momentum", "affine", "track_running_stats")),
    Layer(nn.LayerNorm, ("normalized_shape",), ("eps", "elementwise_affine", "bias")),
    Layer(nn.GroupNorm, ("num_channels",), ("num_groups", "eps", "affine")),
    Layer(nn.Dropout, (), ("p",)),
    Layer(nn.Flatten, (), ("start_dim", "end_dim")),
    Layer(nn.LeakyReLU, (), ("negative_slope",)),
    *map(Layer, (nn.ReLU, nn.Tanh, nn.SiLU, nn.GELU, nn.ELU, nn.Sigmoid, nn.Identity)),
)
LAYERS = {layer.type.__name__: layer for layer in _LAYERS}


class FeatureTowers(nn.Module):
    """Named features of frames, each a chain of stages; a stage that several features share runs once.

    Args:
        features: Stages of each feature by its name; the same module in two chains is one shared stage.
        divisor: Number by which frames are divided first; 255 for networks that take frames in [0, 1].
    """

    divisor: Tensor

    def __init__(self, features: Mapping[str, Sequence[nn.Module]], divisor: float = 1.0) -> None:
        super().__init__()
        stages: list[nn.Module] = list({id(stage): stage for chain in features.values() for stage in chain}.values())
        numbers = {id(stage): number for number, stage in enumerate(stages)}
        self.stages = nn.ModuleList(stages)
        self.chains = {name: tuple(numbers[id(stage)] for stage in chain) for name, chain in features.items()}
        self.register_buffer("divisor", torch.tensor(float(divisor)))  # part of the encoder's hash

    def forward(self, frames: Tensor) -> dict[str, Tensor]:
        """Maps frames ``[n, C, H, W]`` in [0, 255] to features ``[n, size]``, by name."""
        known: dict[tuple[int, ...], Tensor] = {(): frames / self.divisor}
        for chain in self.chains.values():
            for length in range(len(chain)):
                if chain[: length + 1] not in known:
                    known[chain[: length + 1]] = self.stages[chain[length]](known[chain[:length]])
        return {name: known[chain] for name, chain in self.chains.items()}


def describe(module: nn.Module) -> dict[str, Any]:
    """Describes a network in JSON types; :func:`build` is the inverse, without the weights.

    Raises:
        ConfigError: If it is not a :class:`FeatureTowers` of known layers.
    """
    if not isinstance(module, FeatureTowers) or type(module).forward is not FeatureTowers.forward:
        raise ConfigError(
            f"{type(module).__name__} is code, which a .safetensors file cannot hold. Build the encoder as "
            "FeatureTowers of standard layers, or save it under a name that ends in .pt2: that file holds the "
            "code and loads with trusted=True only."
        )
    return {"stages": [_describe(stage) for stage in module.stages], "chains": module.chains}


def _describe(module: nn.Module) -> dict[str, Any]:
    if isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward:
        return {"layer": "Sequential", "layers": [_describe(child) for child in module]}
    name = type(module).__name__
    known = LAYERS.get(name)
    if known is None or known.type is not type(module):
        raise ConfigError(
            f"An encoder's .safetensors file can hold {', '.join(LAYERS)} and sequences of these, not {name}. Save it "
            "under a name that ends in .pt2: that file holds the code and loads with trusted=True only."
        )
    found = {key: getattr(module, key) for key in (*known.sizes, *known.settings)}
    if "bias" in found:
        found["bias"] = found["bias"] is not None
    return {"layer": name} | found


def build(description: Any) -> FeatureTowers:
    """Builds a network without memory for its weights (on PyTorch's meta device) from a description.

    Raises:
        CheckpointError: If the description names an unknown layer or setting, or a value that no encoder has.
    """
    try:
        with torch.device("meta"):
            _require_few(description)
            stages = [_build(stage, 0) for stage in description["stages"]]
            chains = {str(name): [stages[number] for number in chain] for name, chain in description["chains"].items()}
            return FeatureTowers(chains)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError, OverflowError) as error:
        raise CheckpointError(f"Its description of the layers does not suit this version ({error!r:.200}).") from error


def _require_few(description: Any) -> None:
    chains = list(description["chains"].values())
    if max(_count(description["stages"]), len(chains), *map(len, chains)) > MOST_LAYERS:
        raise CheckpointError(f"It has more than {MOST_LAYERS} layers or features.")


def _count(layers: Any) -> int:
    """Returns the number of layers, those of nested sequences included."""
    return sum(1 + (_count(layer["layers"]) if "layers" in layer else 0) for layer in layers)


def require_small(towers: FeatureTowers, pixel_shape: tuple[int, ...]) -> None:
    """Checks that a network on PyTorch's meta device needs little memory, from the shapes of its outputs alone.

    Raises:
        CheckpointError: If its layers output more than 2**26 values for two observations.
    """
    total = 0

    def add(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal total
        total += output.numel()
        if total > MOST_OUTPUTS:
            raise CheckpointError("Its layers would fill the memory for a single observation.")

    hooks = [m.register_forward_hook(add) for m in towers.modules() if not list(m.children())]
    towers.eval()(torch.zeros(2, *pixel_shape, device="meta"))
    for hook in hooks:
        hook.remove()


def _build(description: dict[str, Any], depth: int) -> nn.Module:
    name = description["layer"]
    if name == "Sequential" and depth < DEEPEST:
        return nn.Sequential(*(_build(child, depth + 1) for child in description["layers"]))
    if not isinstance(name, str) or name not in LAYERS:
        raise CheckpointError(f"It names the layer {str(name)[:60]!r}, which is not one of {', '.join(LAYERS)}.")
    layer = LAYERS[name]
    given = {key: value for key, value in description.items() if key != "layer"}
    if strange := set(given) - {*layer.sizes, *layer.settings}:
        raise CheckpointError(f"Its layer {name} has the unknown settings {shown(sorted(map(str, strange)))}.")
    for key, value in given.items():
        _require_plain(f"{name}.{key}", value, key in layer.sizes)
    return layer.type(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})


def _require_plain(place: str, value: Any, size: bool) -> None:
    """Checks that a setting is a small number, a short word or a short list of small numbers."""
    values = value if isinstance(value, list) else [value]
    plain = all(v is None or isinstance(v, (bool, int, float)) or v in ("same", "valid", "zeros") for v in values)
    small = size or all(abs(v) <= MOST for v in values if isinstance(v, (int, float)))
    if not plain or not small or len(values) > 4:
        raise CheckpointError(f"Its setting {place} is {shown(value)}, which no encoder has.")
