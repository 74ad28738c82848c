"""DrQ+BC (V-D4RL, Section 4; DrQ-v2): TD3+BC with convolutions that the critic alone trains, and scheduled noise."""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from d3rlpy.algos import TD3PlusBC, TD3PlusBCConfig
from d3rlpy.algos.qlearning.torch.ddpg_impl import DDPGModules
from d3rlpy.algos.qlearning.torch.td3_plus_bc_impl import TD3PlusBCActorLoss, TD3PlusBCImpl
from d3rlpy.base import DeviceArg, register_learnable
from d3rlpy.models.builders import create_continuous_q_function, create_deterministic_policy
from d3rlpy.models.torch.encoders import Encoder, EncoderWithAction
from d3rlpy.models.torch.policies import ActionOutput
from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor, nn

from synth_replay.errors import ConfigError
from synth_replay_d3rlpy.pixels.networks import (
    Convolutions,
    Features,
    FrameEncoder,
    FrameEncoderWithAction,
    LatentEncoderFactory,
    TrunkEncoderFactory,
)

Shape = tuple[int, ...]


@dataclasses.dataclass()
class DrQBCConfig(TD3PlusBCConfig):  # type: ignore[misc]
    """Settings of DrQ-v2 with TD3+BC's weight; ``create()`` gives the algorithm.

    Random shifts are the buffer's work (:class:`AugmentedReplayBuffer` with ``["random_shift"]``), n-step returns the
    transition picker's. It differs from the original in this: a transition's observation and next observation share
    one shift, the critics' targets have convolutions of their own that follow slowly, the hidden layers are narrower
    (256 instead of 1024; set ``hidden_units``), and what d3rlpy does alike in all algorithms stays (initialisation, a
    mean over the batch and a sum over critics).

    Args:
        noise_start: Standard deviation of the noise on the actor's actions at the first update.
        noise_end: After ``noise_steps`` updates.
        noise_steps: Updates in between, linearly.
        noise_clip: Bound of the noise in both updates.
    """

    actor_learning_rate: float = 1e-4
    critic_learning_rate: float = 1e-4
    tau: float = 0.01
    update_actor_interval: int = 1
    noise_start: float = 1.0
    noise_end: float = 0.1
    noise_steps: int = 100_000
    noise_clip: float = 0.3

    def create(self, device: DeviceArg = False, enable_ddp: bool = False) -> DrQBC:
        """A new algorithm; factories that were not given are :class:`TrunkEncoderFactory`.

        Raises:
            ConfigError: If a factory is of another kind, or for ``compile_graph``.
        """
        if self.compile_graph:
            raise ConfigError("A compiled graph would keep the noise of its first updates: leave compile_graph=False.")
        for name in ("actor_encoder_factory", "critic_encoder_factory"):
            factory = getattr(self, name)
            if factory.get_type() == "default":
                setattr(self, name, TrunkEncoderFactory())
            elif not isinstance(factory, TrunkEncoderFactory | LatentEncoderFactory):
                raise ConfigError(f"DrQ+BC needs a TrunkEncoderFactory as {name}; got {type(factory).__name__}.")
        return DrQBC(self, device, enable_ddp)

    @staticmethod
    def get_type() -> str:
        """Its name in d3rlpy's files."""
        return "synth_replay_drq_bc"


class DrQBC(TD3PlusBC):  # type: ignore[misc]
    """The algorithm; made by :class:`DrQBCConfig`."""

    def inner_create_impl(self, observation_shape: Shape, action_size: int) -> None:
        """Called by d3rlpy."""
        config, device = self._config, self._device
        live, target = _Networks.make(config, observation_shape), _Networks.make(config, observation_shape)
        common = {"device": device, "enable_ddp": self._enable_ddp}
        q_funcs, forwarder = _critics(live, config, observation_shape, action_size, common)
        targ_q_funcs, targ_forwarder = _critics(target, config, observation_shape, action_size, common)
        policy, targ_policy = (
            create_deterministic_policy(observation_shape, action_size, made.actor, **common) for made in (live, target)
        )
        optimizers = {
            f"{name}_optim": getattr(config, f"{name}_optim_factory").create(
                network.named_modules(), lr=getattr(config, f"{name}_learning_rate"), compiled=self.compiled
            )
            for name, network in (("actor", policy), ("critic", q_funcs))
        }
        self._impl = DrQBCImpl(
            observation_shape=observation_shape,
            action_size=action_size,
            modules=DDPGModules(
                policy=policy, targ_policy=targ_policy, q_funcs=q_funcs, targ_q_funcs=targ_q_funcs, **optimizers
            ),
            q_func_forwarder=forwarder,
            targ_q_func_forwarder=targ_forwarder,
            gamma=config.gamma,
            tau=config.tau,
            target_smoothing_sigma=config.noise_start,
            target_smoothing_clip=config.noise_clip,
            alpha=config.alpha,
            update_actor_interval=config.update_actor_interval,
            compiled=self.compiled,
            device=device,
        )
        self._impl.schedule = (config.noise_start, config.noise_end, config.noise_steps)


class DrQBCImpl(TD3PlusBCImpl):  # type: ignore[misc]
    """Both updates look at the current actor, with noise that shrinks."""

    schedule: tuple[float, float, int] = (0.0, 0.0, 1)

    def inner_update(self, batch: TorchMiniBatch, grad_step: int) -> dict[str, float]:
        """Called by d3rlpy."""
        start, end, steps = self.schedule
        self._target_smoothing_sigma = start + min(1.0, grad_step / steps) * (end - start)
        found: dict[str, float] = super().inner_update(batch, grad_step)
        return found

    def update_critic(self, batch: TorchMiniBatch) -> dict[str, float]:
        """Called by d3rlpy; all critics share one run of the convolutions."""
        with _held(self._modules.q_funcs, True), _held(self._modules.targ_q_funcs, False):
            found: dict[str, float] = super().update_critic(batch)
        return found

    def update_actor(self, batch: TorchMiniBatch) -> dict[str, float]:
        """Called by d3rlpy; the convolutions, which the actor does not train, run once for actor and critics."""
        with _held(self._modules.q_funcs, False):
            found: dict[str, float] = super().update_actor(batch)
        return found

    def _noisy(self, action: Tensor) -> Tensor:
        noise = torch.randn_like(action) * self._target_smoothing_sigma
        clip = self._target_smoothing_clip
        noisy = action + noise.clamp(-clip, clip)
        return noisy + (noisy.clamp(-1.0, 1.0) - noisy).detach()  # the gradient passes where it is clipped

    def compute_target(self, batch: TorchMiniBatch) -> Tensor:
        """Called by d3rlpy."""
        with torch.no_grad():
            action = self._noisy(self._modules.policy(batch.next_observations).squashed_mu)
            found: Tensor = self._targ_q_func_forwarder.compute_target(batch.next_observations, action, reduction="min")
        return found

    def compute_actor_loss(self, batch: TorchMiniBatch, action: ActionOutput) -> TD3PlusBCActorLoss:
        """Called by d3rlpy."""
        taken = self._noisy(action.squashed_mu)
        value = self._q_func_forwarder.compute_expected_q(batch.observations, taken, "min")
        weight = self._alpha / value.abs().mean().detach()
        imitation = ((batch.actions - taken) ** 2).mean()
        return TD3PlusBCActorLoss(actor_loss=-weight * value.mean() + imitation, bc_loss=imitation)


def _held(q_funcs: nn.ModuleList, grad: bool) -> AbstractContextManager[None]:
    """One run of the critics' convolutions for each tensor of frames; nothing to do on latents."""
    first: Any = q_funcs[0]
    features = first.encoder.features
    shared = features.shared if isinstance(features, Features) else None
    return shared.held(grad) if isinstance(shared, Convolutions) else nullcontext()


@dataclasses.dataclass(frozen=True)
class _Networks:
    """What d3rlpy's builders ask for encoders. Of pixels, all that one :meth:`make` gives share convolutions."""

    actor: Any
    critic: Any

    @classmethod
    def make(cls, config: DrQBCConfig, observation_shape: Shape) -> _Networks:
        actor, critic = config.actor_encoder_factory, config.critic_encoder_factory
        if isinstance(critic, LatentEncoderFactory):
            return cls(actor, critic)
        features, _ = critic._features(observation_shape)
        borrowed = Features(features.shared, features.count, actor.feature_size, borrowed=True)
        return cls(_Given(borrowed, actor), _Given(features, critic))


@dataclasses.dataclass(frozen=True)
class _Given:
    """A factory whose encoders share features that are already there."""

    features: nn.Module
    factory: TrunkEncoderFactory

    def create(self, observation_shape: Shape) -> Encoder:  # noqa: ARG002
        return FrameEncoder(self.features, self.factory.feature_size, self.factory.hidden_units)

    def create_with_action(self, observation_shape: Shape, action_size: int) -> EncoderWithAction:  # noqa: ARG002
        size, units = self.factory.feature_size, self.factory.hidden_units
        return FrameEncoderWithAction(self.features, size, action_size, units)


def _critics(
    made: _Networks, config: DrQBCConfig, observation_shape: Shape, action_size: int, common: dict[str, Any]
) -> Any:
    return create_continuous_q_function(
        observation_shape, action_size, made.critic, config.q_func_factory, n_ensembles=config.n_critics, **common
    )


register_learnable(DrQBCConfig)
