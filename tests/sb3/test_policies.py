"""Critics with layer norm and dropout: their layers, what they compute, and where dropout acts."""

import copy

import pytest
import torch
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn
from torch.nn import functional

from synth_replay.errors import ConfigError
from synth_replay_sb3.policies import DroQSACPolicy, DroQTD3Policy, LayerNormSACPolicy, LayerNormTD3Policy
from tests.sb3.helpers import DictPendulum, make

HOSTS = [(SAC, LayerNormSACPolicy), (TD3, LayerNormTD3Policy)]
DROQ = [(SAC, DroQSACPolicy), (TD3, DroQTD3Policy)]


def model_of(algorithm, policy, **options):
    return make(algorithm, policy=policy, policy_kwargs={"net_arch": [24, 16], **options})


def pairs(count=32):
    torch.manual_seed(1)
    return torch.randn(count, 3), torch.rand(count, 1) * 2 - 1


@pytest.mark.parametrize(("algorithm", "policy"), HOSTS)
def test_layer_norm_follows_each_hidden_layer_of_critics_and_targets_alone(algorithm, policy):
    model = model_of(algorithm, policy)
    for critic in (model.critic, model.critic_target):
        for network in (critic.qf0, critic.qf1):
            kinds = [type(layer) for layer in network]
            assert kinds == [nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear, nn.LayerNorm, nn.ReLU, nn.Linear]
    assert not any(isinstance(part, nn.LayerNorm) for part in model.actor.modules())


@pytest.mark.parametrize(("algorithm", "policy"), HOSTS)
def test_a_critic_computes_what_its_definition_says(algorithm, policy):
    critic, (observations, actions) = model_of(algorithm, policy).critic, pairs()
    x = torch.cat([observations, actions], 1)
    first, norm, _, second, again, _, last = critic.qf1
    for linear, layer in ((first, norm), (second, again)):
        x = x @ linear.weight.T + linear.bias
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        x = functional.relu(x * layer.weight + layer.bias)
    expected = x @ last.weight.T + last.bias
    torch.testing.assert_close(critic(observations, actions)[1], expected)


@pytest.mark.parametrize(("algorithm", "policy"), DROQ)
def test_dropout_comes_before_layer_norm_and_acts_in_training_only(algorithm, policy):
    model = model_of(algorithm, policy, critic_dropout=0.5)
    kinds = [type(layer) for layer in model.critic.qf0]
    assert kinds[:4] == [nn.Linear, nn.Dropout, nn.LayerNorm, nn.ReLU]
    rows = pairs()
    for mode in (True, False):
        model.policy.set_training_mode(mode)
        for critic in (model.critic, model.critic_target):
            same = torch.equal(critic(*rows)[0], critic(*rows)[0])
            assert same is not mode
    model.learn(60)
    model.predict(rows[0].numpy())
    assert torch.equal(model.critic(*rows)[0], model.critic(*rows)[0])


def test_dropout_zeroes_the_asked_share_of_hidden_units():
    model = model_of(SAC, DroQSACPolicy, critic_dropout=0.25, net_arch=[4000])
    model.policy.set_training_mode(True)
    seen = []
    model.critic.qf0[2].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.critic(*pairs(50))
    assert (seen[0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)


def test_droq_has_dropout_of_0_01_and_layer_norm_by_default():
    critic = model_of(SAC, DroQSACPolicy).critic
    assert critic.qf0[1].p == 0.01 and isinstance(critic.qf0[2], nn.LayerNorm)


@pytest.mark.parametrize(("algorithm", "policy"), HOSTS)
def test_without_both_every_weight_is_that_of_sb3s_own_policy(algorithm, policy):
    ours = model_of(algorithm, policy, critic_layer_norm=False).learn(80).policy.state_dict()
    theirs = model_of(algorithm, "MlpPolicy").learn(80).policy.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(("algorithm", "policy"), DROQ)
def test_layer_norm_is_trained_targets_follow_and_a_saved_model_goes_on_the_same(algorithm, policy, tmp_path):
    model = model_of(algorithm, policy, critic_dropout=0.1)
    before = copy.deepcopy(model.critic_target.state_dict())
    model.learn(80)
    norm = "qf0.2.weight"
    assert not torch.equal(before[norm], model.critic.state_dict()[norm])
    assert not torch.equal(before[norm], model.critic_target.state_dict()[norm])
    model.save(tmp_path / "model")
    loaded = algorithm.load(tmp_path / "model")
    assert loaded.critic.qf0[1].p == 0.1
    model.policy.set_training_mode(False)
    loaded.policy.set_training_mode(False)
    assert torch.equal(loaded.critic(*pairs())[0], model.critic(*pairs())[0])


def test_a_policy_that_is_saved_alone_comes_back_with_its_options(tmp_path):
    policy = model_of(SAC, LayerNormSACPolicy, critic_dropout=0.2).policy
    policy.save(tmp_path / "policy")
    assert LayerNormSACPolicy.load(tmp_path / "policy").critic.qf0[1].p == 0.2


@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_a_dropout_that_is_no_probability_is_named(value):
    with pytest.raises(ConfigError, match="critic_dropout"):
        model_of(SAC, LayerNormSACPolicy, critic_dropout=value)


def test_dict_observations_and_batch_norm_are_treated_as_sb3_treats_them():
    class Normed(FlattenExtractor):
        def __init__(self, space):
            super().__init__(space)
            self.norm = nn.BatchNorm1d(self.features_dim)

    model = model_of(SAC, DroQSACPolicy, features_extractor_class=Normed)
    model.policy.set_training_mode(True)
    assert not model.critic_target.features_extractor.training and model.critic_target.qf0[1].training
    named = make(SAC, env=DictPendulum(), policy=LayerNormSACPolicy).learn(60)
    assert named.critic.features_extractor.features_dim == 3
