"""Figures of the synthetic store on SB3's logger."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from synth_replay.errors import UnsupportedBufferError
from synth_replay_sb3.cfg_mixed import CFGMixedBuffer
from synth_replay_sb3.synthetic import SyntheticReplayBuffer


class SyntheticReplayCallback(BaseCallback):
    """Records ``synth/*`` (denoising loss, real share, age, refresh seconds, marginal score) at each rollout's end.

    They appear wherever SB3's logger writes, TensorBoard included.
    """

    def _on_training_start(self) -> None:
        if not isinstance(getattr(self.model, "replay_buffer", None), (SyntheticReplayBuffer, CFGMixedBuffer)):
            raise UnsupportedBufferError(
                "SyntheticReplayCallback needs replay_buffer_class=SyntheticReplayBuffer, or CFGMixedBuffer."
            )

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        buffer: SyntheticReplayBuffer | CFGMixedBuffer = self.model.replay_buffer  # type: ignore[attr-defined]
        for name, value in buffer.stats.to_dict().items():
            self.logger.record(f"synth/{name}", value)
