"""Two arguments of one name: TorchRL's random stream and our generator of rows."""

from __future__ import annotations

from typing import Any

import torch

from synth_replay.errors import ConfigError


def separated_generators(
    options: dict[str, Any], torch_generator: torch.Generator | None
) -> tuple[dict[str, Any], torch.Generator | None]:
    """Divides the argument ``generator``, which is TorchRL's if it is a ``torch.Generator`` and ours otherwise.

    Args:
        options: Our options by name.
        torch_generator: The random stream, where it was given under its own name.

    Returns:
        Our options, and TorchRL's random stream, or None.

    Raises:
        ConfigError: If there are two random streams, or ``torch_generator`` is something else.
    """
    if torch_generator is not None and not isinstance(torch_generator, torch.Generator):
        raise ConfigError(
            f"torch_generator is TorchRL's random stream, a torch.Generator; got {torch_generator!r}. The generator of "
            "rows is generator=."
        )
    if not isinstance(given := options.get("generator"), torch.Generator):
        return options, torch_generator
    if torch_generator is not None:
        raise ConfigError("generator and torch_generator are both a torch.Generator: give the random stream once.")
    return {name: value for name, value in options.items() if name != "generator"}, given
