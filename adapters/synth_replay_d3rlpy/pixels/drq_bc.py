"""DrQ+BC (V-D4RL, Section 4): DrQ-v2 with TD3+BC's behaviour cloning.

The critic alone trains the convolutions, and the noise on the actor's actions shrinks on a schedule.
"""

from __future__ import annotations

import dataclasses
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from d3rlpy.algos import TD3PlusBC, TD3PlusBCConfig
from d3rlpy.algos.qlearning.torch.ddpg_impl import DDPGModules
from d3rlpy.algos.qlearning.torch.td3_plus_bc_impl import TD3PlusBCActorLoss, TD3PlusBCImpl
from d3rlpy.base import DeviceArg, register_learnable
from d3rlpy.models.torch.policies import ActionOutput
from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor, nn

from synth_replay.errors import ConfigError
from synth_replay_d3rlpy.pixels.drq_networks import DrQNetworks
from synth_replay_d3rlpy.pixels.factories import LatentEncoderFactory, TrunkEncoderFactory
from synth_replay_d3rlpy.pixels.networks import SharedConvolutions, TrunkFeatures

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class NoiseSchedule:
    """A standard deviation that changes linearly and then stays.

    Attributes:
        start: Standard deviation at update 0.
        end: Standard deviation from update ``steps`` on.
        steps: Number of updates between both.
    """

    start: float
    end: float
    steps: int

    def at(self, update: int) -> float:
        """Returns the standard deviation at an update."""
        return self.start + min(1.0, update / self.steps) * (self.end - self.start)


@dataclasses.dataclass()
class DrQBCConfig(TD3PlusBCConfig):  # type: ignore[misc]
    """Settings of DrQ+BC; ``create()`` makes the algorithm.

    Random shifts belong to the buffer (:class:`AugmentedReplayBuffer` with ``["random_shift"]``), n-step returns to the
    transition picker. The algorithm differs from the original in four points:

    - A transition's observation and next observation share one random shift.
    - The critics' targets have convolutions of their own, which follow slowly.
    - Hidden layers have 256 units instead of 1024 (``hidden_units`` of the encoder factories).
    - Initialisation and the loss (a mean over the batch, a sum over critics) are d3rlpy's.

    Args:
        noise_start: Standard deviation of the noise on the actor's actions at the first update.
        noise_end: Standard deviation of the noise after ``noise_steps`` updates.
        noise_steps: Number of updates over which the noise shrinks linearly.
        noise_clip: Largest absolute noise in both updates.
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
        """Makes the algorithm; encoder factories that were not given become :class:`TrunkEncoderFactory`.

        Raises:
            ConfigError: If a factory is of another kind, or ``compile_graph`` is set.
        """
        if self.compile_graph:
            raise ConfigError(
                "A compiled graph would keep the noise of its first updates. Set compile_graph=False for DrQ+BC."
            )
        for name in ("actor_encoder_factory", "critic_encoder_factory"):
            factory = getattr(self, name)
            if factory.get_type() == "default":
                setattr(self, name, TrunkEncoderFactory())
            elif not isinstance(factory, TrunkEncoderFactory | LatentEncoderFactory):
                raise ConfigError(f"DrQ+BC needs a TrunkEncoderFactory as {name}; got {type(factory).__name__}.")
        return DrQBC(self, device, enable_ddp)

    @property
    def noise(self) -> NoiseSchedule:
        """Schedule of the noise's standard deviation."""
        return NoiseSchedule(self.noise_start, self.noise_end, self.noise_steps)

    @staticmethod
    def get_type() -> str:
        """Returns the name of this algorithm in d3rlpy's files."""
        return "synth_replay_drq_bc"


class DrQBC(TD3PlusBC):  # type: ignore[misc]
    """DrQ+BC as a d3rlpy algorithm; made by :meth:`DrQBCConfig.create`."""

    def inner_create_impl(self, observation_shape: Shape, action_size: int) -> None:
        """Makes networks, targets and optimisers; called by d3rlpy."""
        config: DrQBCConfig = self._config
        common = {"device": self._device, "enable_ddp": self._enable_ddp}
        live, target = (DrQNetworks(config, observation_shape, action_size, common) for _ in range(2))
        q_funcs, forwarder = live.make_critics()
        targ_q_funcs, targ_forwarder = target.make_critics()
        policy, targ_policy = live.make_policy(), target.make_policy()
        self._impl = DrQBCImpl(
            config.noise,
            observation_shape=observation_shape,
            action_size=action_size,
            modules=DDPGModules(
                policy=policy,
                targ_policy=targ_policy,
                q_funcs=q_funcs,
                targ_q_funcs=targ_q_funcs,
                actor_optim=self._optimizer("actor", policy),
                critic_optim=self._optimizer("critic", q_funcs),
            ),
            q_func_forwarder=forwarder,
            targ_q_func_forwarder=targ_forwarder,
            gamma=config.gamma,
            tau=config.tau,
            target_smoothing_clip=config.noise_clip,
            alpha=config.alpha,
            update_actor_interval=config.update_actor_interval,
            compiled=self.compiled,
            device=self._device,
        )

    def _optimizer(self, name: str, network: nn.Module) -> Any:
        factory, rate = (getattr(self._config, f"{name}_{field}") for field in ("optim_factory", "learning_rate"))
        return factory.create(network.named_modules(), lr=rate, compiled=self.compiled)


class DrQBCImpl(TD3PlusBCImpl):  # type: ignore[misc]
    """The updates of DrQ+BC, in which actor and target both use the current actor's actions with scheduled noise.

    Args:
        noise: Schedule of the noise's standard deviation.
        **kwargs: Arguments of d3rlpy's ``TD3PlusBCImpl``.
    """

    def __init__(self, noise: NoiseSchedule, **kwargs: Any) -> None:
        super().__init__(target_smoothing_sigma=noise.start, **kwargs)
        self._noise = noise

    def inner_update(self, batch: TorchMiniBatch, grad_step: int) -> dict[str, float]:
        """Updates critics and actor with the noise of this gradient step; called by d3rlpy."""
        self._target_smoothing_sigma = self._noise.at(grad_step)
        found: dict[str, float] = super().inner_update(batch, grad_step)
        return found

    def update_critic(self, batch: TorchMiniBatch) -> dict[str, float]:
        """Updates the critics, which share one run of the convolutions; called by d3rlpy."""
        with _shared_run(self._modules.q_funcs, grad=True), _shared_run(self._modules.targ_q_funcs, grad=False):
            found: dict[str, float] = super().update_critic(batch)
        return found

    def update_actor(self, batch: TorchMiniBatch) -> dict[str, float]:
        """Updates the actor, which does not train the convolutions, with one run of them; called by d3rlpy."""
        with _shared_run(self._modules.q_funcs, grad=False):
            found: dict[str, float] = super().update_actor(batch)
        return found

    def _noisy(self, action: Tensor) -> Tensor:
        noise = torch.randn_like(action) * self._target_smoothing_sigma
        clip = self._target_smoothing_clip
        noisy = action + noise.clamp(-clip, clip)
        return noisy + (noisy.clamp(-1.0, 1.0) - noisy).detach()  # clipping does not stop the gradient

    def compute_target(self, batch: TorchMiniBatch) -> Tensor:
        """Computes the critics' targets ``[n, 1]`` at the current actor's noisy next actions; called by d3rlpy."""
        with torch.no_grad():
            action = self._noisy(self._modules.policy(batch.next_observations).squashed_mu)
            found: Tensor = self._targ_q_func_forwarder.compute_target(batch.next_observations, action, reduction="min")
        return found

    def compute_actor_loss(self, batch: TorchMiniBatch, action: ActionOutput) -> TD3PlusBCActorLoss:
        """Computes the loss of the actor's noisy actions: TD3+BC's weighted value and imitation; called by d3rlpy."""
        taken = self._noisy(action.squashed_mu)
        value = self._q_func_forwarder.compute_expected_q(batch.observations, taken, "min")
        weight = self._alpha / value.abs().mean().detach()
        imitation = ((batch.actions - taken) ** 2).mean()
        return TD3PlusBCActorLoss(actor_loss=-weight * value.mean() + imitation, bc_loss=imitation)


def _shared_run(q_funcs: nn.ModuleList, grad: bool) -> AbstractContextManager[None]:
    """Runs the critics' convolutions once for each tensor of frames; networks on latents have none."""
    first: Any = q_funcs[0]
    features = first.encoder.features
    shared = features.shared if isinstance(features, TrunkFeatures) else None
    return shared.cached(grad) if isinstance(shared, SharedConvolutions) else nullcontext()


register_learnable(DrQBCConfig)
