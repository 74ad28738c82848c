"""Behaviours of Stable-Baselines3's replay buffers, and SB3's own tests if pip can download its sdist."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer

from synth_replay.errors import SynthReplayError
from synth_replay_sb3 import SyntheticReplayBuffer
from tests.conftest import TINY
from tests.hosts_contracts import sb3_suite

KINDS = ("stock", 1.0, 0.5)
SEEN, DONE = spaces.Box(-9, 9, (3,)), spaces.Box(-2, 2, (2,))
PARTS = spaces.Dict({"a": spaces.Box(-9, 9, (2,)), "b": spaces.Box(-9, 9, (1,), np.float64)})
OURS = {"generator": TINY, "refresh_every": 100, "progress": False, "seed": 0}


def buffer(kind, size=400, observation_space=SEEN, action_space=DONE, **kwargs):
    kwargs = {"device": "cpu"} | kwargs
    if kind != "stock":
        return SyntheticReplayBuffer(size, observation_space, action_space, real_ratio=kind, **(OURS | kwargs))
    stock = DictReplayBuffer if isinstance(observation_space, spaces.Dict) else ReplayBuffer
    return (NStepReplayBuffer if "n_steps" in kwargs else stock)(size, observation_space, action_space, **kwargs)


def fill(made, steps=150, every=10, truncated=False, start=0):
    """Adds steps of all environments; rewards are the steps' numbers, and episodes end every few steps."""
    rng, count = np.random.default_rng(start), made.n_envs
    for number in range(start, start + steps):
        seen = rng.normal(size=(count, 3)).astype(np.float32)
        after = seen + 1
        if isinstance(made.observation_space, spaces.Dict):
            seen, after = ({"a": x[:, :2], "b": x[:, 2:].astype(np.float64)} for x in (seen, after))
        discrete = isinstance(made.action_space, spaces.Discrete)
        action = rng.integers(0, 3, (count, 1)) if discrete else rng.uniform(-1, 1, (count, 2)).astype(np.float32)
        ends = np.full(count, every > 0 and number % every == every - 1)
        infos = [{"TimeLimit.truncated": bool(truncated and end)} for end in ends]
        made.add(seen, after, action, np.full(count, number, np.float32), ends, infos)
    return made


@pytest.fixture(params=KINDS, ids=str)
def kind(request):
    np.random.seed(0)
    return request.param


# -- storing ------------------------------------------------------------------------------------


def test_positions_and_sizes_count_steps_of_all_environments(kind):
    made = fill(buffer(kind, n_envs=4), steps=30)
    assert (made.pos, made.size(), made.full, made.buffer_size) == (30, 30, False, 100)
    fill(made, steps=90, start=30)
    assert (made.pos, made.size(), made.full) == (20, 100, True)


def test_a_full_ring_overwrites_the_oldest(kind):
    made = fill(buffer(kind, size=120), steps=150)
    assert made.rewards[:30, 0].tolist() == list(range(120, 150)) and made.rewards[30, 0] == 30
    assert made.sample(500).rewards.min() >= (30 if kind != 0.5 else -1e9)


def test_a_reset_buffer_is_empty(kind):
    made = fill(buffer(kind))
    made.reset()
    assert (made.pos, made.size(), made.full) == (0, 0, False)


def test_memory_for_next_observations_can_be_saved(kind):
    made = fill(buffer(kind, optimize_memory_usage=True, handle_timeout_termination=False))
    assert not hasattr(made, "next_observations") and made.sample(20).next_observations.shape == (20, 3)


# -- batches ------------------------------------------------------------------------------------


@pytest.mark.parametrize("action_space", [DONE, spaces.Discrete(3)])
def test_a_batch_has_sb3s_shapes_and_dtypes(kind, action_space):
    made = fill(buffer(kind, action_space=action_space))
    batch = made.sample(24)
    assert batch.observations.shape == batch.next_observations.shape == (24, 3)
    assert batch.observations.dtype == torch.float32
    wanted = ((24, 1), torch.int64) if isinstance(action_space, spaces.Discrete) else ((24, 2), torch.float32)
    assert (batch.actions.shape, batch.actions.dtype) == wanted
    assert batch.rewards.shape == batch.dones.shape == (24, 1)
    assert batch.rewards.dtype == batch.dones.dtype == torch.float32 and batch.discounts is None


def test_dict_observations_keep_their_keys_and_dtypes(kind):
    batch = fill(buffer(kind, observation_space=PARTS)).sample(24)
    for held in (batch.observations, batch.next_observations):
        assert {name: (tuple(x.shape), x.dtype) for name, x in held.items()} == {
            "a": ((24, 2), torch.float32),
            "b": ((24, 1), torch.float64),
        }


def test_a_time_limit_is_not_the_end_of_a_task(kind):
    assert fill(buffer(kind)).sample(300).dones.mean() > 0
    assert fill(buffer(kind), truncated=True).sample(300).dones.sum() == 0
    kept = fill(buffer(kind, handle_timeout_termination=False), truncated=True)
    assert kept.sample(300).dones.mean() > 0


def test_rows_of_all_environments_are_drawn(kind):
    made = buffer(kind, size=600, n_envs=3)
    fill(made, steps=150)
    seen = {row.tobytes() for row in made.sample(3_000).observations.numpy()}
    for env in range(3):
        known = {row.tobytes() for row in made.observations[:150, env]}
        assert len(known & seen) > 100


def test_n_step_returns_are_discounted_and_stop_at_the_end(kind):
    made = fill(buffer(kind, n_steps=3, gamma=0.5), every=5)
    batch = made.sample(200)
    found = set(np.unique(batch.discounts.numpy().round(4)))
    assert {0.125, 0.25, 0.5} >= found and 0.125 in found and batch.discounts.shape == (200, 1)
    held = made._get_samples(np.array([0, 3, 4]))
    assert held.rewards.ravel().tolist() == [0 + 0.5 + 0.5, 3 + 2, 4] and held.dones.ravel().tolist() == [0, 1, 1]


def test_numpys_global_stream_decides_the_rows(kind):
    found = []
    for seed in (1, 1, 2):
        made = fill(buffer(kind))
        np.random.seed(seed)
        found.append(made.sample(30).rewards)
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_a_pickled_buffer_resumes(kind):
    made = fill(buffer(kind))
    made.sample(10)
    other, found = pickle.loads(pickle.dumps(made)), []
    for one in (made, other):
        np.random.seed(1)
        found.append(one.sample(30).observations)
        fill(one, steps=20, start=150)
    assert torch.equal(*found) and other.pos == made.pos == 170


@pytest.mark.parametrize("options", [{}, {"n_envs": 2}, {"n_steps": 3}, {"observation_space": PARTS}], ids=str)
def test_at_a_real_ratio_of_one_batches_are_the_stock_buffers_bit_for_bit(options):
    found = []
    for kind in ("stock", 1.0):
        made = fill(buffer(kind, **options))
        np.random.seed(5)
        found.append(made.sample(40))
    for ours, theirs in zip(*found, strict=True):
        pairs = [(ours[k], theirs[k]) for k in theirs] if isinstance(theirs, dict) else [(ours, theirs)]
        assert all(a is b or torch.equal(a, b) for a, b in pairs)


def test_a_model_makes_the_buffer_and_saves_it(kind, tmp_path):
    ours = {} if kind == "stock" else {"replay_buffer_class": SyntheticReplayBuffer}
    ours |= {"replay_buffer_kwargs": OURS | {"real_ratio": kind}} if ours else {}
    settings = {"learning_starts": 30, "policy_kwargs": {"net_arch": [8]}, "buffer_size": 300, "device": "cpu"}
    model = DQN("MlpPolicy", "CartPole-v1", **settings, **ours)
    model.learn(132)
    model.save_replay_buffer(tmp_path / "rows.pkl")
    size = model.replay_buffer.size()
    model.load_replay_buffer(tmp_path / "rows.pkl")
    assert model.replay_buffer.size() == size == 132
    model.learn(20, reset_num_timesteps=False)


# -- what is refused, and SB3's own tests -------------------------------------------------------

REFUSED = {
    "hindsight": (lambda: {"n_sampled_goal": 4}, "Hindsight"),
    "n-step returns of Dict observations": (lambda: {"observation_space": PARTS, "n_steps": 3}, "SB3 has no"),
}


@pytest.mark.parametrize(("options", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_generated_rows_cannot_serve_is_refused_with_the_reason(options, reason):
    with pytest.raises(SynthReplayError, match=reason):
        buffer(0.5, **options())


@pytest.mark.slow
@pytest.mark.parametrize("ratio", sb3_suite.RATIOS)
def test_sb3s_own_tests_pass_with_our_buffers(ratio, sb3_tests):
    done = sb3_suite.run(sb3_tests, ratio)
    assert done.returncode == 0, done.stdout[-4000:]
    assert all(f"{reason}"[:40] in done.stdout for reason in sb3_suite.LEFT_OUT.values())  # each reason is shown


@pytest.fixture(scope="module")
def sb3_tests(tmp_path_factory):
    if (tests := sb3_suite.download(tmp_path_factory.mktemp("sb3"))) is None:
        pytest.skip("pip finds no index with the sdist of Stable-Baselines3")
    return tests
