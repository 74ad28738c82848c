"""d3rlpy's ``encoder_factory`` arguments for networks on frames and on their latents."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod

from d3rlpy.models.encoders import EncoderFactory, register_encoder_factory
from d3rlpy.models.torch.encoders import Encoder, EncoderWithAction
from torch import nn

from synth_replay.encoders import Architecture, FrozenModule, cached_encoder, convolutions
from synth_replay.errors import ConfigError
from synth_replay_d3rlpy.pixels.networks import FrameEncoder, FrameEncoderWithAction, SharedConvolutions, TrunkFeatures

Shape = tuple[int, ...]


class FeatureEncoderFactory(EncoderFactory, ABC):  # type: ignore[misc]
    """An encoder factory of d3rlpy whose encoders are features and hidden layers on top of them."""

    hidden_units: list[int]

    @abstractmethod
    def make_features(self, observation_shape: Shape) -> tuple[nn.Module, int]:
        """Makes the network from observations to features, and returns it with the size of the features."""

    def create(self, observation_shape: Shape) -> Encoder:
        """Makes an encoder of observations; called by d3rlpy."""
        return FrameEncoder(*self.make_features(observation_shape), self.hidden_units)

    def create_with_action(
        self, observation_shape: Shape, action_size: int, discrete_action: bool = False
    ) -> EncoderWithAction:
        """Makes an encoder of observations and continuous actions; called by d3rlpy.

        Raises:
            ConfigError: If the actions are discrete.
        """
        if discrete_action:
            raise ConfigError(
                "Critics that take a discrete action as input (discrete BCQ) are not supported. Use DQN, discrete CQL "
                "or discrete BC."
            )
        features, size = self.make_features(observation_shape)
        return FrameEncoderWithAction(features, size, action_size, self.hidden_units)


@dataclasses.dataclass()
class TrunkEncoderFactory(FeatureEncoderFactory):
    """A factory of networks on pixels: convolutions, a tanh trunk whose outputs are the latents, hidden layers.

    The networks scale frames themselves: leave d3rlpy's ``observation_scaler`` at None.

    Args:
        architecture: ``drq`` (DrQ-v2, V-D4RL) or ``impala`` (Procgen).
        feature_size: Number of dimensions of a feature; 50 in DrQ-v2.
        hidden_units: Widths of the layers after the trunk, which are fine-tuned on latents.
    """

    architecture: Architecture = "drq"
    feature_size: int = 50
    hidden_units: list[int] = dataclasses.field(default_factory=lambda: [256, 256])

    def make_features(self, observation_shape: Shape) -> tuple[TrunkFeatures, int]:
        """Makes convolutions and a trunk, and returns them with the feature size."""
        made, count = convolutions(self.architecture, tuple(observation_shape))
        return TrunkFeatures(SharedConvolutions(made), count, self.feature_size), self.feature_size

    @staticmethod
    def get_type() -> str:
        """Returns the name of this factory in d3rlpy's files."""
        return "synth_replay_trunk"


@dataclasses.dataclass()
class LatentEncoderFactory(FeatureEncoderFactory):
    """A factory of networks on a frozen encoder, which take its latents or the pixels themselves.

    Args:
        encoder: File of the :class:`~synth_replay.encoders.FrozenEncoder`.
        parts: Names of the features that the networks read. d3rlpy asks one factory for all critics of an ensemble: the
            first network reads the first part, the second the second, and so on in a cycle.
        hidden_units: Widths of the layers on top.
    """

    encoder: str = ""
    parts: list[str] = dataclasses.field(default_factory=list)
    hidden_units: list[int] = dataclasses.field(default_factory=lambda: [256, 256])

    def __post_init__(self) -> None:
        self._made = 0

    def make_features(self, observation_shape: Shape) -> tuple[FrozenModule, int]:
        """Makes the frozen features that the next network reads, and returns them with their size.

        Raises:
            CheckpointError: If the file is not an encoder.
            ConfigError: If the encoder lacks the part, or the observations are neither its frames nor its latents.
        """
        if not self.parts:
            raise ConfigError("LatentEncoderFactory has no parts. Give the names of the features its networks read.")
        frozen = cached_encoder(self.encoder)
        if tuple(observation_shape) not in (frozen.pixel_shape, frozen.space.shape):
            raise ConfigError(
                f"Observations of shape {tuple(observation_shape)} are neither frames {frozen.pixel_shape} nor latents "
                f"{frozen.space.shape} of the encoder {self.encoder}. Use an encoder that was trained on these frames."
            )
        part = frozen.layout.part(self.parts[self._made % len(self.parts)])
        self._made += 1
        return FrozenModule(frozen, part), part.stop - part.start

    @staticmethod
    def get_type() -> str:
        """Returns the name of this factory in d3rlpy's files."""
        return "synth_replay_latent"


register_encoder_factory(TrunkEncoderFactory)
register_encoder_factory(LatentEncoderFactory)
