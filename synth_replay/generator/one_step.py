"""Model rollouts of one step from real states with the current policy's actions: MBPO with a horizon of 1."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from synth_replay.errors import ConfigError, NotFittedError
from synth_replay.generator.checks import check_count, check_rows, widened_spec
from synth_replay.generator.config import GeneratorConfig
from synth_replay.generator.forward import ForwardModel
from synth_replay.generator.generator import TransitionGenerator
from synth_replay.generator.one_step_config import OneStepConfig
from synth_replay.generator.relabel import Relabeler, relabel_by_function, resolve_function
from synth_replay.runtime import resolve_device, resolve_seed
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions, TransitionSpec

Policy = Callable[[Any], Any]
"""A function of observations ``[n, ...]``, a dict for Dict spaces, that returns actions ``[n, ...]``, both in
environment units."""

NO_POLICY = (
    "generator='one_step_model' needs the current policy. In Stable-Baselines3, pass the callback: "
    "model.learn(..., callback=SyntheticReplayCallback()). Elsewhere, pass a function from observations to actions in "
    "environment units: buffer.engine.act_with(policy)."
)


class OneStepModel:
    """Rows (s, a, r, s', d): real states, the policy's actions, and what a learned model says of r, s' and d.

    MBPO (Janner et al. 2019) with a horizon of 1; MAD-TD (arXiv 2410.08896) finds 5 % of such rows enough. The states
    and the model can come from a diffusion model instead (:attr:`OneStepConfig.states`).

    Args:
        observation_space: Observation space of the environment.
        action_space: Action space of the environment.
        config: Settings.
        seed: Seed of all random numbers; None takes one from the operating system.
        device: Device of the networks.
    """

    holdout_loss = float("nan")

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        config: OneStepConfig | None = None,
        seed: int | None = None,
        device: str | torch.device = "auto",
    ) -> None:
        self.config = config or OneStepConfig()
        self.spec = TransitionSpec(observation_space, action_space)
        self._requested_device, self.device = device, resolve_device(device)
        self._rng = np.random.default_rng(resolve_seed(seed))
        self._states = (
            None
            if self.config.states is None
            else TransitionGenerator(
                observation_space, action_space, self.config.states, int(self._rng.integers(2**32)), self.device
            )
        )
        self._policy: Policy | None = None
        self._rows: Transitions | None = None
        self._rewards: tuple[float, float] = (0.0, 0.0)
        self._forward = ForwardModel(self.spec, self.config.forward, self.device)
        self._relabel = Relabeler(self.spec, self.config.rewards, self.device)

    @property
    def fitted(self) -> bool:
        """Whether the model has been fitted."""
        return self._rows is not None

    @property
    def store_rows(self) -> int:
        """Rows that a buffer keeps by default."""
        return self.config.store_rows

    def act_with(self, policy: Policy | None) -> None:
        """Takes the policy whose actions rollouts have from now on."""
        self._policy = policy

    def require_policy(self) -> Policy:
        """Returns the policy.

        Raises:
            ConfigError: If there is none; the text says how to give one.
        """
        if self._policy is None:
            raise ConfigError(NO_POLICY)
        return self._policy

    def unfitted(self, rng: np.random.Generator) -> OneStepModel:
        """Returns a model with the same settings and policy that has learnt nothing and draws from ``rng``."""
        made = OneStepModel(self.spec.observation_space, self.spec.action_space, self.config, 0, self.device)
        made._rng, made._policy = rng, self._policy
        return made

    def widen_actions(self, action_space: spaces.Box) -> None:
        """Takes wider bounds of the actions from now on."""
        self.spec = widened_spec(self.spec, action_space)
        if self._states is not None:
            self._states.widen_actions(action_space)

    def fit(
        self, transitions: Transitions, *, steps: int | None = None, progress: bool | None = None, **_: Any
    ) -> OneStepModel:
        """Learns p(s' | s, a) and p(r, d | s, a, s') from real rows, or from rows of the generator of states.

        Args:
            transitions: Real rows.
            steps: Gradient steps of the forward model, instead of the configuration's. A fit always starts anew.
            progress: Show progress; None shows a bar on a terminal, and lines elsewhere if it takes long.

        Raises:
            ConfigError: If the rows have columns that the model lacks, such as ``next_actions``.
            TooFewTransitionsError: If there are fewer than 100 rows.
            InvalidTransitionsError: If a value is not finite or outside its space.
        """
        spec = check_rows(transitions, self.spec, GeneratorConfig())
        if spec.extras:
            names, several = ", ".join(spec.extras), {"discounts", "intervals"} & set(spec.extras)
            remedy = "take rewards of one step (n_steps=1)" if several else "leave them out, as by extra_columns=()"
            raise ConfigError(f"generator='one_step_model' has no {names}: {remedy}.")
        rows = self._learnt_from(transitions, progress)
        config = self.config.forward if steps is None else replace(self.config.forward, steps=steps)
        forward = ForwardModel(self.spec, config, self.device).fit(rows, self._rng, progress)
        relabel = Relabeler(self.spec, self.config.rewards, self.device)
        if self.config.rewards.function is None:
            relabel.fit(rows, self._rng, progress)
        self._forward, self._relabel, self._rows = forward, relabel, rows
        self._rewards = float(transitions.rewards.min()), float(transitions.rewards.max())
        return self

    def _learnt_from(self, transitions: Transitions, progress: bool | None) -> Transitions:
        if self._states is None:
            return replace(transitions, truncations=None)
        self._states.fit(transitions, progress=progress)
        return self._states.sample(max(self.store_rows, len(transitions)), progress=progress)

    def sample(self, num_samples: int, **_: Any) -> Transitions:
        """Makes rollouts of one step from states that are drawn with replacement.

        Args:
            num_samples: Number of rows, at least 0.

        Returns:
            Rows in environment units. Actions are clipped to their bounds, rewards to the observed range.

        Raises:
            NotFittedError: Before :meth:`fit`.
            ConfigError: If there is no policy, or its actions have the wrong shape or are not finite numbers.
            InvalidTransitionsError: If the number is negative, no whole number or too large for the memory.
        """
        if self._rows is None:
            raise NotFittedError("There are no states to start from: call fit(transitions) first.")
        self.require_policy()
        count = check_count(num_samples, self.spec)
        rows = self._rows[self._rng.integers(len(self._rows), size=count)]
        ends = np.full(count, self._relabel.termination_rate == 1)  # the relabelling keeps the ends of rows of one kind
        rows = replace(rows, actions=self._actions(rows.observations, count), terminations=ends)
        leaves = rows.leaves() | self._forward.next_observations(rows, self._rng) if count else rows.leaves()
        made = Transitions.from_leaves(leaves)
        function = self.config.rewards.function
        if function is not None:
            return relabel_by_function(made, resolve_function(function))
        made = self._relabel(made)
        return replace(made, rewards=np.clip(made.rewards, *self._rewards))

    def _actions(self, observations: Any, count: int) -> Array:
        like = next(leaf for leaf in self.spec.leaves if leaf.name == "actions")
        actions = np.asarray(self.require_policy()(observations))
        if actions.shape != (count, *like.shape) or actions.dtype.kind not in "biuf" or not np.isfinite(actions).all():
            raise ConfigError(
                f"The policy must return finite actions of shape {(count, *like.shape)}; it returned {actions.dtype} "
                f"of shape {actions.shape}."
            )
        bounded: Array = np.clip(actions, like.low, like.high).astype(like.dtype)
        return bounded

    def __getstate__(self) -> dict[str, Any]:
        """Returns the state for pickling, without the policy and what was learned: the next refresh learns it anew."""
        return self.__dict__ | {"_policy": None, "_rows": None, "_forward": None, "_relabel": None, "device": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restores a pickled model, on the CPU if this machine lacks its device."""
        device = resolve_device(state["_requested_device"], fall_back=True)
        self.__dict__ |= state | {"device": device}
        self._forward = ForwardModel(self.spec, self.config.forward, device)
        self._relabel = Relabeler(self.spec, self.config.rewards, device)
