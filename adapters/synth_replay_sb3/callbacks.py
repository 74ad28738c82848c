"""Figures of the synthetic stores on SB3's logger."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from synth_replay.errors import UnsupportedBufferError
from synth_replay_sb3.host import HostBuffer


class SyntheticReplayCallback(BaseCallback):
    """Records ``synth/*`` (denoising loss, real share, age, refresh seconds, marginal score) at each rollout's end.

    They appear wherever SB3's logger writes, TensorBoard included.
    """

    def _buffer(self) -> HostBuffer:
        buffer = getattr(self.model, "replay_buffer", None)
        if not isinstance(buffer, HostBuffer):
            raise UnsupportedBufferError(
                "SyntheticReplayCallback needs replay_buffer_class=SyntheticReplayBuffer, or CFGMixedBuffer."
            )
        return buffer

    def _on_training_start(self) -> None:
        self._buffer()

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        for name, value in self._buffer().stats.to_dict().items():
            self.logger.record(f"synth/{name}", value)
