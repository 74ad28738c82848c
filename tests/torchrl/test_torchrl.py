"""What is TorchRL's own: specs, losses, collectors, transforms, ways of saving."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.collectors import Collector
from torchrl.data import (
    Binary,
    Bounded,
    Categorical,
    Composite,
    LazyTensorStorage,
    MultiCategorical,
    OneHot,
    SamplerWithoutReplacement,
    Unbounded,
)
from torchrl.envs import (
    Compose,
    GymEnv,
    RewardScaling,
    StepCounter,
    TransformedEnv,
)
from torchrl.modules import NormalParamExtractor, ProbabilisticActor, QValueActor, TanhNormal, ValueOperator
from torchrl.objectives import DQNLoss, SACLoss, SoftUpdate

from synth_replay.errors import (
    ConfigError,
    InvalidTransitionsError,
)
from synth_replay_torchrl import SyntheticReplayBuffer
from synth_replay_torchrl.conversion import space_of
from tests.conftest import rollout
from tests.torchrl.helpers import QUIET, buffer, filled, pendulum


@pytest.mark.parametrize(
    ("spec", "space"),
    [
        (Bounded(-1, 2, (3,)), spaces.Box(-1, 2, (3,))),
        (Unbounded((2,)), spaces.Box(-np.inf, np.inf, (2,))),
        (Unbounded((2,), dtype=torch.float64), spaces.Box(-np.inf, np.inf, (2,), np.float64)),
        (OneHot(4), spaces.Discrete(4)),
        (Categorical(5), spaces.Discrete(5)),
        (MultiCategorical([2, 3]), spaces.MultiDiscrete([2, 3])),
        (Binary(3), spaces.MultiBinary((3,))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_specs_become_gymnasiums_spaces(spec, space):
    assert space_of("observation", spec) == space


def networks(env):
    obs, act = env.observation_spec["observation"].shape[-1], env.action_spec.shape[-1]
    net = nn.Sequential(nn.Linear(obs, 16), nn.ReLU(), nn.Linear(16, 2 * act), NormalParamExtractor())
    policy = ProbabilisticActor(
        TensorDictModule(net, ["observation"], ["loc", "scale"]),
        in_keys=["loc", "scale"],
        spec=env.action_spec,
        distribution_class=TanhNormal,
        distribution_kwargs={"low": env.action_spec.space.low, "high": env.action_spec.space.high},
    )

    class Critic(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Sequential(nn.Linear(obs + act, 16), nn.ReLU(), nn.Linear(16, 1))

        def forward(self, observation, action):
            return self.net(torch.cat([observation, action], -1))

    return policy, ValueOperator(Critic(), in_keys=["observation", "action"])


def test_sac_learns_from_a_collector_past_a_refresh():
    torch.manual_seed(0)
    env, made = pendulum(), buffer()
    policy, critic = networks(env)
    loss = SACLoss(policy, critic)
    target = SoftUpdate(loss, tau=0.01)
    optimiser = torch.optim.Adam(loss.parameters(), 1e-3)
    collector = Collector(env, policy, frames_per_batch=50, total_frames=300, auto_register_policy_transforms=True)
    before = [p.clone() for p in policy.parameters()]
    with pytest.warns(UserWarning, match="loc"):  # what the policy noted besides is not generated
        for data in collector:
            made.extend(data.reshape(-1))
            found = loss(made.sample())
            sum(value for key, value in found.items() if key.startswith("loss")).backward()
            optimiser.step()
            optimiser.zero_grad()
            target.step()
    collector.shutdown()
    assert made.stats()["synth/refreshes"] == 1 and made.stats()["size"] == 300
    batch = made.sample()
    assert (batch["index"] == -1).sum() == 16
    assert any(not torch.equal(a, b) for a, b in zip(before, policy.parameters(), strict=True))


def test_what_collectors_note_for_themselves_is_left_out_without_a_warning():
    made, rows = buffer(real_ratio=0.0), pendulum().rollout(250, break_when_any_done=False).reshape(-1)
    for root in (rows, rows["next"]):
        root["is_init"], root["collector", "traj_ids"] = torch.zeros(250, 1, dtype=torch.bool), torch.zeros(250)
    made.extend(rows)
    batch = made.sample()  # a warning would fail this test
    assert (batch["index"] == -1).all() and not {"is_init", "collector"} & {*batch.keys(), *batch["next"].keys()}


@pytest.mark.parametrize("one_hot", [True, False])
def test_dqn_learns_from_generated_actions_of_either_encoding(one_hot):
    env = GymEnv("CartPole-v1", categorical_action_encoding=not one_hot)
    made = filled(env, real_ratio=0.0)
    batch = made.sample()
    assert batch["action"].dtype == torch.int64 and batch["action"].shape == ((32, 2) if one_hot else (32,))
    if one_hot:
        assert (batch["action"].sum(-1) == 1).all()
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    actor = QValueActor(net, in_keys=["observation"], spec=env.action_spec)
    loss = DQNLoss(actor, action_space=env.action_spec, delay_value=False)
    loss(batch)["loss"].backward()
    assert all(p.grad is not None for p in net.parameters())


def test_transforms_see_generated_rows_too():
    scaling = RewardScaling(loc=0.0, scale=100.0, in_keys=[("next", "reward")])
    made = filled(transform=scaling, real_ratio=0.0)
    batch = made.sample()
    raw = made.engine.stores["all"].rows()["rewards"]
    found = batch["next", "reward"].numpy().ravel()
    assert np.isin(found.round(3), (raw * 100).round(3)).all()


def test_keys_of_counters_can_be_left_out_of_the_observation():
    env = TransformedEnv(pendulum(), Compose(StepCounter()))
    made = filled(env, observation_keys=["observation"])
    with pytest.warns(UserWarning, match="step_count"):
        batch = made.sample()
    assert "step_count" not in set(batch.keys()) and batch["observation"].shape == (32, 3)
    assert filled(env).sample()["next", "step_count"].dtype == torch.int64
    with pytest.raises(ConfigError, match="observation_keys"):
        buffer(env, observation_keys=["position"])


def test_several_observation_keys_are_mixed_key_by_key():
    spec = Composite(angle=Bounded(-1, 1, (2,)), speed=Bounded(-8, 8, (1,)))
    made = SyntheticReplayBuffer(
        observation_spec=spec, action_spec=Bounded(-2, 2, (1,)), storage=LazyTensorStorage(500), **QUIET
    )
    rows = rollout("Pendulum-v1", 300)
    before, after = (
        {"angle": torch.as_tensor(o[:, :2]), "speed": torch.as_tensor(o[:, 2:])}
        for o in (rows.observations, rows.next_observations)
    )
    after |= {"reward": torch.as_tensor(rows.rewards)[:, None].float(), "done": torch.zeros(300, 1).bool()}
    made.extend(TensorDict(before | {"action": torch.as_tensor(rows.actions), "next": after}, [300]))
    batch = made.sample(32)
    assert (batch["index"] == -1).sum() == 16
    assert batch["angle"].shape == (32, 2) and batch["next", "speed"].abs().max() <= 8


def test_vectorised_environments_and_single_steps_are_counted():
    made, env = buffer(), pendulum()
    for step in env.rollout(5).unbind(0):
        made.add(step)
    assert len(made) == made.engine.steps == 5
    batched = TensorDict.stack([env.rollout(10), env.rollout(10)])
    with pytest.raises(InvalidTransitionsError, match=r"reshape\(-1\)"):
        made.extend(batched)
    made.extend(batched.reshape(-1))
    assert len(made) == made.engine.steps == 25


def test_a_time_limit_is_no_termination():
    made = filled(steps=450)
    assert made.storage[:450]["next", "done"].sum() == 2
    assert not made.transitions().terminations.any()


def test_a_time_limit_is_no_termination_where_only_done_and_truncated_are_stored():
    made, rows = buffer(), pendulum().rollout(200, break_when_any_done=False)
    rows = rows.exclude("terminated", ("next", "terminated"))
    assert rows["next", "done"].any()
    made.extend(rows)
    assert not made.transitions().terminations.any()
    rows = rows.exclude("truncated", ("next", "truncated"))
    done = buffer()
    done.extend(rows)
    assert done.transitions().terminations.sum() == rows["next", "done"].sum()


def test_sampling_without_replacement_keeps_its_counts():
    made = filled(sampler=SamplerWithoutReplacement())
    index = torch.cat([made.sample()["index"] for _ in range(10)])
    real = index[index >= 0]
    assert len(real) == 160 and len(real.unique()) == 160


def test_at_the_end_of_an_epoch_without_replacement_batches_stay_full():
    made = filled(steps=250, sampler=SamplerWithoutReplacement())
    assert [(made.sample()["index"] >= 0).sum().item() for _ in range(40)] == [16] * 40
    alone = filled(steps=250, sampler=SamplerWithoutReplacement(), real_ratio=0.0)
    assert (alone.sample()["index"] == -1).all()


def test_what_a_collector_notes_besides_is_left_out_when_the_first_rows_lacked_it():
    made, rows = buffer(), pendulum().rollout(60)
    made.preload(rollout("Pendulum-v1", 100))
    noted = (
        rows.clone().set(("collector", "traj_ids"), torch.zeros(60, dtype=torch.long)).set("loc", torch.zeros(60, 1))
    )
    made.extend(noted)
    assert len(made) == 160 and "loc" not in set(made.storage[:1].keys())
