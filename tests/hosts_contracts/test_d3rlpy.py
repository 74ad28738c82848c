"""Behaviours of d3rlpy's ReplayBuffer, from its sources: appending, storages, pickers, batches, trajectories, files."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

from synth_replay.errors import SynthReplayError
from synth_replay_d3rlpy import SyntheticReplayBuffer
from tests.conftest import TINY
from tests.d3rlpy.helpers import ActionSpace, d3rlpy

data = d3rlpy.dataset
KINDS = ("stock", 1.0, 0.5)
FLOAT, BATCH = np.dtype(np.float32), 24
COLUMNS = ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals", "intervals")


def episode(number, steps=12, terminated=True, shapes=((3,),), discrete=False, dtype=np.float32):
    rng = np.random.default_rng(number)
    seen = [rng.normal(size=(steps, *shape)).astype(dtype) for shape in shapes]
    actions = rng.integers(0, 3, (steps, 1)) if discrete else rng.uniform(-1, 1, (steps, 2)).astype(np.float32)
    rewards = np.arange(steps, dtype=np.float32)[:, None] + number
    return data.Episode(seen if len(seen) > 1 else seen[0], actions, rewards, terminated)


def episodes(count=20, **kwargs):
    return [episode(i, terminated=i % 2 == 0, **kwargs) for i in range(count)]


def stock(held=None, limit=None, discrete=False, kinds=1, **kwargs):
    """Returns a stock buffer with episodes, or an empty one for steps."""
    storage = data.InfiniteBuffer() if limit is None else data.FIFOBuffer(limit)
    if held is None:
        kwargs |= {
            "observation_signature": data.Signature([FLOAT] * kinds, [(3,)] * kinds),
            "action_signature": data.Signature([FLOAT], [(2,)]),
            "reward_signature": data.Signature([FLOAT], [(1,)]),
            "cache_size": 64,
        }
    space = {"action_space": ActionSpace.DISCRETE, "action_size": 3}
    if not discrete:
        space = {"action_space": ActionSpace.CONTINUOUS, "action_size": 2}
    return data.ReplayBuffer(storage, episodes=held, **space, **kwargs)


class Env:
    """The spaces of an empty buffer."""

    from gymnasium import spaces

    observation_space, action_space = spaces.Box(-9, 9, (3,)), spaces.Box(-1, 1, (2,))


def buffer(kind, held=None, **kwargs):
    host = stock(held, **kwargs)
    if kind == "stock":
        return host
    env = Env if held is None else None
    return SyntheticReplayBuffer.wrap(host, env=env, real_ratio=kind, generator=TINY, progress=False, refresh_every=100)


def step(made, number):
    made.append(np.full(3, number, np.float32), np.full(2, 0.01 * number, np.float32), float(number))


@pytest.fixture(params=KINDS, ids=str)
def kind(request):
    d3rlpy.seed(0)
    return request.param


# -- appending ----------------------------------------------------------------------------------


def test_steps_become_transitions_one_step_later(kind):
    made = buffer(kind)
    counts = []
    for number in range(4):
        step(made, number)
        counts.append(made.transition_count)
    assert counts == [0, 1, 2, 3] and made.size() == 1
    made.clip_episode(terminated=True)
    assert made.transition_count == 4 and made.episodes[0].terminated
    made.clip_episode(terminated=False)  # there is nothing to clip
    assert made.size() == 1
    for number in range(3):
        step(made, number)
    made.clip_episode(terminated=False)
    assert made.transition_count == 6 and made.size() == 2 and not made.episodes[1].terminated
    assert [e.size() for e in made.episodes] == [4, 3]


def test_with_write_at_termination_episodes_are_stored_only_at_their_end(kind):
    made = buffer(kind, write_at_termination=True)
    for number in range(5):
        step(made, number)
        assert made.transition_count == 0
    made.clip_episode(terminated=False)
    assert made.transition_count == 4 == len(made.episodes[0].observations) - 1


def test_whole_episodes_are_appended(kind):
    made = buffer(kind, episodes())
    made.append_episode(episode(77))
    made.append_episode(episode(78, terminated=False))
    assert made.transition_count == 10 * 12 + 10 * 11 + 12 + 11 and made.size() == 22
    assert made.episodes[-2].compute_return() == sum(range(12)) + 12 * 77


def test_a_fifo_storage_forgets_the_oldest(kind):
    made = buffer(kind, limit=30)
    for number in range(100):
        step(made, number)
        if number % 10 == 9:
            made.clip_episode(terminated=True)
    assert made.transition_count == 30 and made.size() == 3
    assert all(e.rewards.min() >= 70 for e in made.episodes)
    assert made.buffer.transition_count == 30 and made.buffer.episodes is made.episodes


# -- batches ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shapes", [((3,),), ((3,), (2,)), ((1, 4, 4),)], ids=["vectors", "two parts", "small pictures"]
)
@pytest.mark.parametrize("discrete", [False, True])
def test_columns_of_a_batch_are_float32_with_two_axes(kind, shapes, discrete):
    made = buffer(kind, episodes(shapes=shapes, discrete=discrete), discrete=discrete)
    batch = made.sample_transition_batch(BATCH)
    for name in ("observations", "next_observations"):
        found = getattr(batch, name)
        for array, shape in zip(found if len(shapes) > 1 else [found], shapes, strict=True):
            assert array.shape == (BATCH, *shape) and array.dtype == np.float32
    assert batch.actions.shape == batch.next_actions.shape == (BATCH, 1 if discrete else 2)
    assert batch.rewards.shape == batch.terminals.shape == batch.intervals.shape == (BATCH, 1)
    assert {getattr(batch, name).dtype for name in COLUMNS[1:3] + COLUMNS[4:]} == {FLOAT}
    assert len(batch) == len(batch.transitions) == BATCH
    assert batch.observation_shape == (shapes[0] if len(shapes) == 1 else list(shapes))


def test_after_a_termination_the_next_observation_and_action_are_zero(kind):
    batch = buffer(kind, episodes()).sample_transition_batch(400)
    ends = batch.terminals[:, 0] == 1
    assert 0 < ends.sum() < 400
    assert (batch.next_observations[ends] == 0).all() and (batch.next_actions[ends] == 0).all()
    assert (batch.next_observations[~ends] != 0).any(axis=1).all() and set(np.unique(batch.terminals)) == {0, 1}


def test_n_step_transitions_report_their_number_of_steps(kind):
    picker = data.MultiStepTransitionPicker(n_steps=3, gamma=0.5)
    batch = buffer(kind, episodes(), transition_picker=picker).sample_transition_batch(300)
    assert set(np.unique(batch.intervals)) <= {1, 2, 3} and (batch.intervals == 3).mean() > 0.5


def test_a_single_transition_has_the_shapes_of_the_episode(kind):
    made = buffer(kind, episodes())
    found = made.sample_transition()
    assert found.observation.shape == (3,) and found.action.shape == (2,) and found.reward.shape == (1,)
    assert found.interval == 1 and 1 <= len(found.rewards_to_go) <= 12


def test_seeds_of_d3rlpy_decide_the_batch(kind):
    found = []
    for seed in (3, 3, 4):
        d3rlpy.seed(0)
        made = buffer(kind, episodes())
        d3rlpy.seed(seed)
        found.append(made.sample_transition_batch(BATCH).observations)
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


def test_every_real_transition_is_drawn(kind):
    made = buffer(kind, [episode(0), episode(1), episode(2), *episodes(8)])
    known = {row.tobytes() for e in made.episodes for row in e.observations[: e.transition_count]}
    seen = {row.tobytes() for row in made.sample_transition_batch(4_000).observations}
    assert known <= seen and (kind != 0.5) == (known == seen)


def test_what_is_appended_is_drawn_at_once(kind):
    made = buffer(kind, episodes())
    made.sample_transition_batch(BATCH)
    made.append_episode(new := episode(99))
    rows = {row.tobytes() for row in made.sample_transition_batch(3_000).observations}
    assert {row.tobytes() for row in new.observations} <= rows


# -- everything else ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["stock", 1.0])
def test_trajectories_are_padded_in_front(kind):
    d3rlpy.seed(0)
    batch = buffer(kind, episodes()).sample_trajectory_batch(16, length=10)
    assert batch.observations.shape == (16, 10, 3) and batch.masks.shape == (16, 10)
    padded = batch.masks == 0
    assert padded.any() and (batch.observations[padded] == 0).all() and (batch.timesteps[padded] == 0).all()
    assert buffer(kind, episodes()).sample_trajectory(5).length == 5


def test_files_hold_all_episodes(kind):
    made, file = buffer(kind, episodes(discrete=True), discrete=True), io.BytesIO()
    made.dump(file)
    file.seek(0)
    load = data.ReplayBuffer.load if kind == "stock" else SyntheticReplayBuffer.load
    again = load(file, data.InfiniteBuffer(), transition_picker=data.MultiStepTransitionPicker(2, 0.9))
    assert again.transition_count == made.transition_count and again.size() == made.size()
    for a, b in zip(again.episodes, made.episodes, strict=True):
        assert a.terminated == b.terminated and a.actions.dtype == b.actions.dtype
        np.testing.assert_array_equal(a.observations, b.observations)
    assert isinstance(again.transition_picker, data.MultiStepTransitionPicker)


def test_a_buffer_can_be_made_from_an_episode_generator(kind):
    make = data.ReplayBuffer if kind == "stock" else SyntheticReplayBuffer
    flags = np.arange(240) % 12 == 11
    columns = (np.random.normal(size=(240, 3)).astype(np.float32), np.random.uniform(-1, 1, (240, 2)), np.ones(240))
    made = make.from_episode_generator(data.EpisodeGenerator(*columns, flags), data.InfiniteBuffer())
    assert made.size() == 20 and made.transition_count == 240


def test_dataset_info_describes_the_spaces(kind):
    info = buffer(kind, episodes(discrete=True), discrete=True).dataset_info
    assert info.action_space == ActionSpace.DISCRETE and info.action_size == 3
    assert info.observation_signature.shape == [(3,)] and info.reward_signature.shape == [(1,)]


def test_a_pickled_buffer_draws_the_same(kind):
    made = buffer(kind, episodes())
    made.sample_transition_batch(BATCH)
    other, found = pickle.loads(pickle.dumps(made)), []
    for one in (made, other):
        d3rlpy.seed(2)
        found.append(one.sample_transition_batch(BATCH).observations)
    assert np.array_equal(*found)


@pytest.mark.parametrize("limit", [None, 50])
@pytest.mark.parametrize("picker", [data.BasicTransitionPicker(), data.MultiStepTransitionPicker(3, 0.9)])
def test_at_a_real_ratio_of_one_batches_are_the_stock_buffers_bit_for_bit(limit, picker):
    found = []
    for kind in ("stock", 1.0):
        made = buffer(kind, episodes(), limit=limit, transition_picker=picker)
        made.append_episode(made.episodes[-1])
        d3rlpy.seed(9)
        found.append([made.sample_transition_batch(BATCH) for _ in range(3)])
    for ours, theirs in zip(*found, strict=True):
        for name in COLUMNS:
            np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))


# -- what is refused ----------------------------------------------------------------------------

REFUSED = {
    "trajectories": (lambda made: made.sample_trajectory_batch(2, 5), "generated transitions have no neighbours"),
    "one trajectory": (lambda made: made.sample_trajectory(5), "generated transitions have no neighbours"),
    "an episode inside a running one": (
        lambda made: (step(made, 1), made.append_episode(episode(1))),
        "An episode is running",
    ),
}


@pytest.mark.parametrize(("use", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_generated_rows_cannot_serve_is_refused_with_the_reason(use, reason):
    use(buffer("stock", episodes()))
    with pytest.raises(SynthReplayError, match=reason):
        use(buffer(0.5, episodes()))


@pytest.mark.parametrize("take", [SyntheticReplayBuffer.wrap])
def test_a_mixture_of_d3rlpys_is_refused_with_the_reason(take):
    mixture = data.MixedReplayBuffer(buffer("stock", episodes()), buffer("stock", episodes()), 0.5)
    assert len(mixture.sample_transition_batch(BATCH)) == BATCH
    with pytest.raises(SynthReplayError, match="mixes the rows of two buffers by itself"):
        take(mixture)
