"""Comparison of generated latent transitions with the simulator, by a probe that decodes states from latents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from synth_replay.errors import InvalidTransitionsError, SpecMismatchError
from synth_replay.evaluation.simulator import StateSetter, state_setter
from synth_replay.spaces import Array
from synth_replay.transitions import Transitions

FEATURES = 1024
MIN_ROWS, FITTED_ROWS = 50, 20_000
RIDGES = np.logspace(-8, 2, 21)


class StateProbe:
    """Decodes simulator states from latents: ridge regression on the latents and on random Fourier features of them.

    The fit is in closed form; each state has the penalty with the least generalised cross-validation error.

    Args:
        latents: Latents ``[n, d]`` of real observations; at most 20,000 rows, chosen at random, are fitted.
        states: States ``[n, s]`` of the same rows, in the form in which the simulator is set and returns them.
        seed: Seed of the random features and of the choice of rows.

    Raises:
        SpecMismatchError: If latents and states are not matrices with the same number of rows.
        InvalidTransitionsError: If there are fewer than 50 rows, or rows with NaN or infinity.
    """

    def __init__(self, latents: Array, states: Array, seed: int = 0) -> None:
        latents, states = np.asarray(latents), np.asarray(states)
        _check_pairs(latents, states)
        rng = np.random.default_rng(seed)
        chosen = rng.permutation(len(latents))[:FITTED_ROWS]
        latents, states = latents[chosen].astype(np.float64), states[chosen].astype(np.float64)
        self.latent_size, self.state_size = latents.shape[1], states.shape[1]
        self._shift, self._scale = latents.mean(axis=0), _deviations(latents)
        self._directions = rng.normal(size=(self.latent_size, FEATURES)) / np.sqrt(self.latent_size)
        self._phases = rng.uniform(0, 2 * np.pi, FEATURES)
        self._low, self._high, self._mean = states.min(axis=0), states.max(axis=0), states.mean(axis=0)
        features = self._features(latents)
        self._middle = features.mean(axis=0)
        self._weights = _ridge(features - self._middle, (states - self._mean) / _deviations(states))
        self._weights *= _deviations(states)

    def __call__(self, latents: Array) -> Array:
        """Decodes latents ``[n, d]`` as states ``[n, s]`` float64, clipped to the range of the fitted states."""
        states: Array = (self._features(latents) - self._middle) @ self._weights + self._mean
        return states.clip(self._low, self._high)

    def score(self, latents: Array, states: Array) -> Array:
        """Computes R^2 of each state, ``[s]``, on rows that were not fitted; 1 is perfect."""
        error: Array = np.square(self(latents) - states).mean(axis=0) / np.square(_deviations(np.asarray(states)))
        return 1 - error

    def _features(self, latents: Array) -> Array:
        scaled = (np.asarray(latents, np.float64) - self._shift) / self._scale
        waves = np.cos(scaled @ self._directions + self._phases) * np.sqrt(2 / FEATURES)
        return np.concatenate([scaled / np.sqrt(self.latent_size), waves], axis=1)


@dataclass(frozen=True, eq=False)
class LatentDynamics:
    """Errors of generated latent transitions against the simulator, beside those of real ones with the same probe.

    A row's error is the mean over state dimensions of the squared gap between the decoded next state and the
    simulator's step from the decoded state. Each dimension is divided by its median gap among real rows, so that states
    that the latents do not show have no more weight than others.

    Attributes:
        generated: Errors ``[n]`` of generated rows.
        real: Errors ``[k]`` of held-out real rows: the probe's own error, which no generator can be expected to beat.
        unmoved: Errors ``[k]`` of the same real rows with s' = s.
        per_dimension: Median error of generated rows over that of real rows for each state, ``[s]``.
    """

    generated: Array
    real: Array
    unmoved: Array
    per_dimension: Array

    @property
    def ratio(self) -> float:
        """Median error of generated rows over that of real rows; 1 means no detectable difference."""
        return float(np.median(self.generated) / np.median(self.real))

    @property
    def resolution(self) -> float:
        """Median error of real rows with s' = s over that of real rows; if not far above 1, only large faults show.

        Latents that contain the state reach 25 (Hopper) to 2,000 (Pendulum); those of untrained convolutions on frames
        of 32 to 50 pixels stayed below 1.
        """
        return float(np.median(self.unmoved) / np.median(self.real))


def latent_dynamics(
    probe: StateProbe,
    generated: Transitions,
    held_out: Transitions,
    env: gym.Env[Any, Any],
    set_state: StateSetter | None = None,
) -> LatentDynamics:
    """Compares latent transitions with the simulator's steps from decoded states (SynthER's check, Section 4.1.1).

    Args:
        probe: Probe that was fitted on real rows with known states.
        generated: Generated latent transitions with actions in the units of ``env``; each is stepped once.
        held_out: Real latent transitions of other episodes than the probe was fitted on.
        env: Environment that observes the probe's states instead of pixels; one of its steps is one transition. For
            dm_control use :class:`~synth_replay.environments.PhysicsEnv` with ``PhysicsEnv.set_state``.
        set_state: Function ``set_state(env.unwrapped, state)``; None covers MuJoCo v5 and classic control.

    Raises:
        SpecMismatchError: If latents or states have another size than the probe's.
        InvalidTransitionsError: If rows are missing or not finite.
        SimulatorError: If the environment's state cannot be set.
    """
    setter = set_state or state_setter(env)
    for name, rows in (("generated", generated), ("held_out", held_out)):
        _check_rows(probe, name, rows)
    if env.observation_space.shape != (probe.state_size,):
        raise SpecMismatchError(
            f"The environment observes {env.observation_space.shape}, the probe reads {probe.state_size} numbers: fit "
            "it on that environment's observations."
        )
    env.reset(seed=0)
    (ours, _), (real, still) = (_squared_gaps(probe, rows, env.unwrapped, setter) for rows in (generated, held_out))
    unit = np.median(real, axis=0)
    unit = np.where(unit > 0, unit, 1.0)
    generated_error, real_error, unmoved = ((gaps / unit).mean(axis=1) for gaps in (ours, real, still))
    return LatentDynamics(generated_error, real_error, unmoved, np.median(ours, axis=0) / unit)


def _squared_gaps(probe: StateProbe, rows: Transitions, env: Any, setter: StateSetter) -> tuple[Array, Array]:
    """Computes squared gaps ``[n, s]`` of the simulator's next states to decoded next states and to decoded states."""
    before, after = probe(rows.observations), probe(rows.next_observations)
    stepped = np.empty_like(after)
    for i, (state, action) in enumerate(zip(before, rows.actions, strict=True)):
        setter(env, state)
        stepped[i] = env.step(action)[0]
    return np.square(after - stepped), np.square(before - stepped)


def _ridge(features: Array, targets: Array) -> Array:
    """Fits weights ``[f, s]``, each target with the penalty of least GCV error (Golub et al. 1979)."""
    values, vectors = np.linalg.eigh(features.T @ features)
    values = values.clip(0)
    seen = vectors.T @ (features.T @ targets)
    inverse = 1 / (values + RIDGES[:, None])
    explained = (inverse * (2 - values * inverse)) @ np.square(seen)
    freedom = 1 - (values * inverse).sum(axis=1, keepdims=True) / len(targets)  # remaining share
    errors = (np.square(targets).sum(axis=0) - explained) / np.square(freedom)
    weights: Array = vectors @ (inverse[np.argmin(errors, axis=0)].T * seen)
    return weights


def _deviations(values: Array) -> Array:
    return np.where(np.ptp(values, axis=0) > 0, values.std(axis=0), 1.0)


def _check_pairs(latents: Array, states: Array) -> None:
    if latents.ndim != 2 or states.ndim != 2 or len(latents) != len(states):
        raise SpecMismatchError(
            f"A probe needs latents [n, d] and states [n, s]; got shapes {latents.shape} and {states.shape}."
        )
    if len(latents) < MIN_ROWS:
        raise InvalidTransitionsError(
            f"A probe needs at least {MIN_ROWS} rows, and better thousands; got {len(latents)}."
        )
    if not (np.isfinite(latents).all() and np.isfinite(states).all()):
        raise InvalidTransitionsError("Latents or states hold NaN or infinity; drop these rows.")


def _check_rows(probe: StateProbe, name: str, rows: Transitions) -> None:
    for latents in (rows.observations, rows.next_observations):
        if np.shape(latents)[1:] != (probe.latent_size,):
            raise SpecMismatchError(
                f"{name} has latents of shape {np.shape(latents)[1:]}; the probe was fitted on {probe.latent_size} "
                "numbers. Use the encoder that it was fitted with."
            )
        if not len(latents) or not np.isfinite(latents).all():
            raise InvalidTransitionsError(f"{name} is empty, or its latents hold NaN or infinity.")
