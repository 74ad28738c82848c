"""A refresh in the background of a training with Stable-Baselines3."""

from stable_baselines3 import SAC

from tests.sb3.helpers import assert_mixed, make


def test_training_goes_on_while_rows_are_made_and_takes_them_over(tmp_path):
    model = make(SAC, extra={"refresh": "background"})
    model.learn(210)
    buffer = model.replay_buffer
    assert buffer.engine.supply.refreshing and not buffer.stats.rows
    model.save_replay_buffer(tmp_path / "buffer")
    buffer.engine.supply.wait()
    model.learn(20, reset_num_timesteps=False)
    assert_mixed(model)
    model.load_replay_buffer(tmp_path / "buffer")
    model.learn(20, reset_num_timesteps=False)
    assert model.replay_buffer.engine.supply.refreshing
