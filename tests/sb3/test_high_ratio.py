"""Resets of an agent's networks, and an actor that is updated less often."""

import copy
import math

import pytest
import torch
from sb3_contrib import TQC
from stable_baselines3 import DQN, SAC, TD3
from stable_baselines3.common.callbacks import BaseCallback

from synth_replay.errors import ConfigError
from synth_replay_sb3 import NetworkResets, PolicyDelay
from synth_replay_sb3.high_ratio import reset_networks
from synth_replay_sb3.policies import LayerNormSACPolicy
from tests.sb3.helpers import make


def copied(module):
    return copy.deepcopy(module.state_dict())


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def optimizers(model):
    policy = model.policy
    held = [policy.optimizer] if isinstance(model, DQN) else [policy.actor.optimizer, policy.critic.optimizer]
    return held + ([model.ent_coef_optimizer] if getattr(model, "ent_coef_optimizer", None) else [])


@pytest.mark.parametrize("algorithm", [SAC, TD3, TQC, DQN])
def test_a_reset_gives_the_weights_of_a_new_agent_and_leaves_the_replay(algorithm):
    model = make(algorithm, train_freq=1).learn(90)
    stored, kept = model.replay_buffer.observations.copy(), model.replay_buffer.size()
    assert any(held.state for held in optimizers(model))
    torch.manual_seed(7)
    reset_networks(model)
    torch.manual_seed(7)
    new = model.policy_class(
        model.observation_space, model.action_space, model.lr_schedule, **model.policy_kwargs
    ).state_dict()
    assert equal(new, model.policy.state_dict())
    assert not any(held.state for held in optimizers(model))
    assert model.replay_buffer.size() == kept and (model.replay_buffer.observations == stored).all()
    model.learn(30, reset_num_timesteps=False)
    assert not equal(new, model.policy.state_dict())


@pytest.mark.parametrize(("ent_coef", "first"), [("auto", 1.0), ("auto_0.1", 0.1)])
def test_a_reset_starts_the_temperature_anew(ent_coef, first):
    model = make(SAC, train_freq=1, ent_coef=ent_coef).learn(90)
    assert model.log_ent_coef.item() != pytest.approx(math.log(first), abs=1e-4)
    reset_networks(model)
    assert model.log_ent_coef.item() == pytest.approx(math.log(first))


class Watch(BaseCallback):
    """Keeps the steps at which the critic's weights are those of a network without any update."""

    def __init__(self):
        super().__init__()
        self.fresh = []

    def _on_step(self):
        if not self.model.critic.optimizer.state:
            self.fresh.append(self.num_timesteps)
        return True


def test_resets_come_before_the_first_update_after_their_step_and_none_at_the_end():
    resets, watch = NetworkResets(60), Watch()
    model = make(SAC, train_freq=1, learning_starts=10)
    model.learn(120, callback=[resets, watch])
    assert resets.resets == 1 and watch.fresh == [*range(1, 12), 61]
    model.learn(10, callback=[resets, watch], reset_num_timesteps=False)
    assert resets.resets == 2 and watch.fresh[-1] == 121


def test_resets_count_steps_of_all_environments(capsys):
    from stable_baselines3.common.env_util import make_vec_env

    model, resets = make(SAC, env=make_vec_env("Pendulum-v1", 3)), NetworkResets(50, verbose=1)
    model.learn(150, callback=resets)
    assert resets.resets == 2
    assert "got new weights at environment step 51" in capsys.readouterr().err


def actor_steps(model):
    return {int(state["step"]) for state in model.actor.optimizer.state.values()}


@pytest.mark.parametrize("algorithm", [SAC, TQC])
@pytest.mark.parametrize("delay", [2, 5])
def test_actor_and_temperature_are_updated_once_for_every_so_many_updates_of_the_critics(algorithm, delay):
    model = make(algorithm, train_freq=1, gradient_steps=delay)
    model.learn(60, callback=PolicyDelay(delay))
    updates = {int(state["step"]) for state in model.critic.optimizer.state.values()}
    assert updates == {10 * delay} and actor_steps(model) == {10}
    assert {int(state["step"]) for state in model.ent_coef_optimizer.state.values()} == {10}


def test_the_actor_stands_still_between_its_updates():
    model = make(SAC, train_freq=1, learning_starts=0)
    model.learn(1)
    callback, moved = PolicyDelay(3), []
    for _ in range(6):
        before = copied(model.actor), model.log_ent_coef.item()
        model.learn(1, callback=callback, reset_num_timesteps=False)
        moved.append((not equal(before[0], copied(model.actor)), before[1] != model.log_ent_coef.item()))
    assert moved == [(False, False), (False, False), (True, True)] * 2


def test_a_delay_of_one_changes_nothing_and_none_outlives_its_training():
    theirs = make(SAC, train_freq=1).learn(80)
    ours = make(SAC, train_freq=1).learn(80, callback=PolicyDelay(1))
    assert equal(ours.policy.state_dict(), theirs.policy.state_dict())
    callback = PolicyDelay(1000)
    ours.learn(10, callback=callback, reset_num_timesteps=False)
    before = copied(ours.actor)
    ours.learn(10, reset_num_timesteps=False)
    assert not equal(before, copied(ours.actor))


def test_a_training_that_is_interrupted_leaves_one_hook():
    class Interrupted(BaseCallback):
        def _on_step(self):
            if self.num_timesteps == 55:
                raise KeyboardInterrupt
            return True

    model, callback = make(SAC, train_freq=1), PolicyDelay(2)
    with pytest.raises(KeyboardInterrupt):
        model.learn(80, callback=[callback, Interrupted()])
    for again in (callback, PolicyDelay(2)):
        done = max(actor_steps(model), default=0)
        model.learn(20, callback=again, reset_num_timesteps=False)
        assert max(actor_steps(model)) - done in (9, 10, 11)


def test_resets_and_delay_work_with_layer_norm_together():
    resets = NetworkResets(70)
    model = make(SAC, policy=LayerNormSACPolicy, train_freq=1, gradient_steps=2)
    model.learn(100, callback=[resets, PolicyDelay(2)])
    assert resets.resets == 1 and actor_steps(model) == {30}


@pytest.mark.parametrize(("algorithm", "way"), [(TD3, "its own policy_delay"), (DQN, "leave the callback out")])
def test_a_model_that_cannot_be_delayed_is_named(algorithm, way):
    with pytest.raises(ConfigError, match=f"not for {algorithm.__name__}: .*{way}"):
        make(algorithm).learn(10, callback=PolicyDelay(2))


@pytest.mark.parametrize("make_callback", [NetworkResets, PolicyDelay])
@pytest.mark.parametrize("value", [0, -1, 1.5, "3"])
def test_a_number_that_is_no_count_is_named(make_callback, value):
    with pytest.raises(ConfigError, match=r"counts|not a number"):
        make_callback(value)
