import pytest
from stable_baselines3 import SAC

from synth_replay.augment import STATE_AUGMENTATIONS
from synth_replay_sb3 import SyntheticReplayBuffer


@pytest.mark.parametrize("name", STATE_AUGMENTATIONS)
def test_an_augmentation_takes_the_generators_place_in_a_buffer(name):
    options = {"generator": name, "refresh_every": 100, "store_rows": 300}
    model = SAC(
        "MlpPolicy",
        "Pendulum-v1",
        learning_starts=50,
        replay_buffer_class=SyntheticReplayBuffer,
        replay_buffer_kwargs=options,
        policy_kwargs={"net_arch": [8]},
        seed=0,
    )
    model.learn(130)
    assert model.replay_buffer.stats.refreshes == 1 and model.replay_buffer.stats.rows == 300
