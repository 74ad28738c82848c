"""Figures of the synthetic stores on SB3's logger, and messages about a training that generates nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.callbacks import BaseCallback

from synth_replay.errors import UnsupportedBufferError
from synth_replay_sb3.host import HostBuffer
from synth_replay_sb3.refusals import refuse_frames

logger = logging.getLogger("synth_replay")


def policy_of(model: Any) -> Callable[[Any], Any]:
    """Returns the policy of a model of SB3 as a function of observations, both in environment units.

    Actions of Box spaces are drawn from the policy, without action noise; discrete ones are greedy. The networks' mode
    of training stays as it is.

    Args:
        model: An off-policy algorithm of SB3.

    Returns:
        A function of observations ``[n, ...]`` that returns actions ``[n, ...]``.
    """
    discrete = not isinstance(model.action_space, spaces.Box)

    def act(observations: Any) -> Any:
        normalizer, training = model.get_vec_normalize_env(), model.policy.training
        seen = observations if normalizer is None else normalizer.normalize_obs(observations)
        actions = model.predict(seen, deterministic=discrete)[0]
        model.policy.set_training_mode(training)
        return actions

    return act


class SyntheticReplayCallback(BaseCallback):
    """Records ``synth/*`` (denoising loss, real share, age, refresh seconds, marginal score) at each rollout's end.

    They appear wherever SB3's logger writes, TensorBoard included. When training starts, a message says at which step
    the first refresh is due; when it ends without one, a warning says so. The callback passes the policy
    to ``generator="one_step_model"``.

    Raises:
        UnsupportedBufferError: At the start of training, if the model's buffer is not one of ours, for example after
            ``load_replay_buffer`` of a file that holds a stock buffer.
    """

    def _buffer(self) -> HostBuffer:
        buffer = getattr(self.model, "replay_buffer", None)
        if isinstance(buffer, HostBuffer):
            return buffer
        wanted: Any = getattr(self.model, "replay_buffer_class", None)
        if isinstance(wanted, type) and issubclass(wanted, HostBuffer):
            way = (
                "keep the model's own buffer and copy the rows: model.replay_buffer.preload(load_from_pkl(path))"
                if hasattr(wanted, "preload")
                else "make the model with these rows as offline data: offline=load_from_pkl(path)"
            )
            raise UnsupportedBufferError(
                f"The model was made with {wanted.__name__}, but its replay_buffer is now a {type(buffer).__name__} "
                f"(load_replay_buffer replaces it), so nothing would be generated. Instead, {way}. load_from_pkl is in "
                "stable_baselines3.common.save_util."
            )
        raise UnsupportedBufferError(
            "SyntheticReplayCallback needs replay_buffer_class=SyntheticReplayBuffer, or CFGMixedBuffer."
        )

    def _first_batch(self) -> int:
        """Returns the environment step at which SB3 asks for the first batch."""
        return int(getattr(self.model, "learning_starts", 0)) + 1

    def _on_training_start(self) -> None:
        refuse_frames(self._buffer())
        self._buffer().engine.act_with(policy_of(self.model))
        self._buffer().engine.say_when_due(at_least=self._first_batch())
        self._started_at = self.num_timesteps

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        for name, value in self._buffer().stats.to_dict().items():
            self.logger.record(f"synth/{name}", value)

    def _on_training_end(self) -> None:
        engine = self._buffer().engine
        if engine.idle and engine.supply.refreshing:
            logger.warning(
                "Training ended after %s environment steps while the first refresh ran in the background, so no "
                "generated row was used. Train for longer, or use refresh='blocking'.",
                f"{engine.steps:,}",
            )
        elif engine.idle and self.num_timesteps > self._started_at:
            logger.warning(
                "Training ended after %s environment steps without one generated row: the first refresh comes with the "
                "first batch at or after step %s. Train for longer, or lower refresh_every.",
                *(f"{engine.steps:,}", f"{max(engine.next_refresh, self._first_batch()):,}"),
            )
