"""Callbacks for many updates a step: networks with new weights, and an actor that is updated less often."""

from __future__ import annotations

import logging
import math
from typing import Any
from weakref import WeakKeyDictionary

import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.save_util import recursive_getattr
from torch.optim import Optimizer

from synth_replay.buffers.counts import whole_number
from synth_replay.errors import ConfigError
from synth_replay.runtime import announce

logger = logging.getLogger("synth_replay")
_HOOKS: WeakKeyDictionary[Optimizer, torch.utils.hooks.RemovableHandle] = WeakKeyDictionary()


class NetworkResets(BaseCallback):
    """Gives an agent new networks every so many environment steps; the replay buffer stays (arXiv 2205.07802).

    All networks, their targets, the states of the optimisers and SAC's temperature start anew, as the paper does it for
    SAC. The reset of step n happens at step n + 1, before its updates: a training that ends at step n is not reset.

    Args:
        every: Environment steps between two resets. The paper resets SAC every 200,000 steps.
        verbose: 1 prints a message at each reset.

    Raises:
        ConfigError: If ``every`` is not a positive whole number.
    """

    def __init__(self, every: int, verbose: int = 0) -> None:
        super().__init__(verbose)
        self.every = whole_number("every", every, "environment steps between two resets")
        self.resets = 0
        self._done = 0

    def _due(self) -> int:
        return max(self.num_timesteps - 1, 0) // self.every

    def _on_training_start(self) -> None:
        self._done = self._due()

    def _on_step(self) -> bool:
        if self._due() > self._done:
            self._done, self.resets = self._due(), self.resets + 1
            reset_networks(self.model)
            if self.verbose:
                announce(logger, "All networks got new weights at environment step %s.", f"{self.num_timesteps:,}")
        return True


def reset_networks(model: Any) -> None:
    """Gives an agent of SB3 the weights of a new one, and its optimisers their first state.

    The weights come from torch's random generator. A temperature that SAC learns gets its first value.

    Args:
        model: An off-policy algorithm of SB3 or SB3-Contrib.
    """
    made = model.policy_class(model.observation_space, model.action_space, model.lr_schedule, **model.policy_kwargs)
    model.policy.load_state_dict(made.state_dict())
    states, variables = model._get_torch_save_params()  # what SB3 itself saves and restores
    for name in states:
        part = recursive_getattr(model, name)
        if isinstance(part, Optimizer):
            part.state.clear()
    if "log_ent_coef" in variables:
        model.log_ent_coef.data.fill_(_first_log_temperature(model.ent_coef))


def _first_log_temperature(ent_coef: str) -> float:
    """Returns the logarithm of the value with which SB3 starts: ``auto`` is 1, ``auto_0.1`` is 0.1."""
    return math.log(float(ent_coef.partition("_")[2] or 1.0))


class PolicyDelay(BaseCallback):
    """Updates SAC's actor and temperature once for every so many updates of its critics.

    SynthER's online runs and DroQ update the actor once for 20 updates of the critics (``policy_update_delay`` in
    SynthER's code). SB3's SAC computes the gradients of the actor at every update all the same; only their use is
    delayed, so training is not faster.

    Args:
        delay: Updates of the critics for one of the actor; 1 changes nothing.
        verbose: Passed to SB3's callback.

    Raises:
        ConfigError: If ``delay`` is not a positive whole number; at the start of training, if the model has no actor
            or delays it by itself (``policy_delay`` of TD3).
    """

    def __init__(self, delay: int, verbose: int = 0) -> None:
        super().__init__(verbose)
        self.delay = whole_number("delay", delay, "updates of the critics for one of the actor")
        self._calls: WeakKeyDictionary[Optimizer, int] = WeakKeyDictionary()

    def _optimizers(self) -> list[Optimizer]:
        model: Any = self.model
        if hasattr(model, "policy_delay") or not hasattr(model, "ent_coef_optimizer"):
            name = type(model).__name__
            way = f"give {name} its own policy_delay" if hasattr(model, "policy_delay") else "leave the callback out"
            raise ConfigError(f"PolicyDelay is for SAC and TQC, not for {name}: {way}.")
        return [optimizer for optimizer in (model.actor.optimizer, model.ent_coef_optimizer) if optimizer is not None]

    def _on_training_start(self) -> None:
        for held in self._optimizers():
            _release(held)  # of a training that was interrupted
            _HOOKS[held] = held.register_step_pre_hook(self._before_step)

    def _before_step(self, optimizer: Optimizer, *_: Any) -> None:
        """Takes the gradients away, so that the optimiser skips its parameters."""
        calls = self._calls[optimizer] = self._calls.get(optimizer, 0) + 1
        if calls % self.delay:
            optimizer.zero_grad(set_to_none=True)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        for held in self._optimizers():
            _release(held)


def _release(optimizer: Optimizer) -> None:
    if (hook := _HOOKS.pop(optimizer, None)) is not None:
        hook.remove()
