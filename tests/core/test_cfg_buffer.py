"""Four sources in a batch: exact counts, schedules, arms, and what happens while a source is empty."""

from __future__ import annotations

import pickle
from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay import TransitionGenerator, Transitions
from synth_replay.batch_plans import SOURCES, BatchPlan
from synth_replay.cfg_buffer import CFGMixedBuffer
from synth_replay.datasets import create_dataset
from synth_replay.errors import ConfigError, DatasetError, InvalidTransitionsError, SpecMismatchError
from synth_replay.ratios import LinearSchedule
from synth_replay.relabel_config import RelabelConfig
from synth_replay.transitions import TransitionSpec
from tests.conftest import TINY, rollout

ENV = gym.make("Pendulum-v1")
SPEC = TransitionSpec(ENV.observation_space, ENV.action_space)
SHIFT = 100.0  # offline rewards lie this much lower, so that a real row tells where it is from


def offline_data(rows: int = 600) -> Transitions:
    found = rollout("Pendulum-v1")[:rows]
    return replace(found, rewards=found.rewards - SHIFT)


def make(**kwargs):
    defaults = {"generator": TINY, "refresh_every": 200, "seed": 0, "device": "cpu", "offline": offline_data()}
    offline = (defaults | kwargs).pop("offline")
    rest = {k: v for k, v in (defaults | kwargs).items() if k != "offline"}
    return CFGMixedBuffer(1000, ENV.observation_space, ENV.action_space, offline, **rest)


def write(path, rows, spec=SPEC):
    with create_dataset(path, spec, len(rows)) as writer:
        writer.write(rows)


def feed(buffer, count=200):
    rows = rollout("Pendulum-v1", seed=1)[:count]
    names = ("observations", "actions", "rewards", "next_observations", "terminations")
    buffer.add(*(getattr(rows, name) for name in names))
    return buffer


def counted(buffer, batch=256):
    rows = buffer.sample(batch)
    return rows, np.bincount(buffer.last_sources, minlength=4).tolist()


# -- plans ----------------------------------------------------------------------------------


def test_the_papers_default_is_one_to_one_to_one_and_eight_to_two_among_the_generated():
    counts = BatchPlan().counts(300, 0, (1, 1, 1, 1), np.random.default_rng(0))
    assert counts == (100, 100, 80, 20)


def test_a_coin_makes_a_batch_online_like_as_often_as_it_says():
    rng, plan = np.random.default_rng(0), BatchPlan("oorb", synthetic=0.25, online=0.3)
    batches = [plan.counts(100, step, (5, 5, 5, 5), rng) for step in range(10_000)]
    assert set(batches) == {(75, 0, 25, 0), (0, 75, 0, 25)}
    online = sum(counts[0] > 0 for counts in batches)
    assert abs(online - 3000) < 4 * np.sqrt(10_000 * 0.3 * 0.7)


@settings(max_examples=200, deadline=None)
@given(
    batch=st.integers(0, 1000),
    shares=st.tuples(*[st.floats(0, 1)] * 3),
    held=st.tuples(*[st.integers(0, 1)] * 4).filter(lambda h: h[0] or h[1]),
    name=st.sampled_from(["concat", "oorb"]),
)
def test_counts_add_up_and_an_empty_source_gives_nothing(batch, shares, held, name):
    counts = BatchPlan(name, *shares).counts(batch, 0, held, np.random.default_rng(0))
    assert sum(counts) == batch
    assert all(count == 0 for count, rows in zip(counts, held, strict=True) if not rows)


def test_the_rows_of_an_empty_source_are_real_ones_of_its_kind_if_there_are_any():
    plan, rng = BatchPlan(), np.random.default_rng(0)
    assert plan.counts(300, 0, (0, 9, 0, 0), rng) == (0, 300, 0, 0)
    assert plan.counts(300, 0, (9, 9, 0, 0), rng) == (180, 120, 0, 0)
    assert plan.counts(300, 0, (9, 9, 0, 9), rng) == (180, 100, 0, 20)


def test_ratios_follow_their_schedules():
    plan = BatchPlan(synthetic=LinearSchedule(0.0, 0.5, 100), online=lambda step: min(1.0, step / 200))
    counts = [plan.counts(1000, step, (5, 5, 5, 5), np.random.default_rng(0)) for step in (0, 50, 100, 1000)]
    assert counts[0] == (0, 1000, 0, 0)
    assert counts[1][2] + counts[1][3] == 250 and counts[1][0] == pytest.approx(0.25 * 750, abs=1)
    assert counts[2] == (250, 250, 400, 100) and counts[3] == (500, 0, 400, 100)


@pytest.mark.parametrize(
    ("settings_", "match"),
    [
        ({"name": "random"}, "concat, oorb"),
        ({"synthetic": 1.2}, "synthetic_ratio"),
        ({"online": -0.1}, "online_ratio"),
        ({"synthetic_online": lambda step: 2.0}, "synthetic_online_ratio at step 0"),
    ],
)
def test_a_plan_that_does_not_add_up_is_refused(settings_, match):
    with pytest.raises(ConfigError, match=match):
        BatchPlan(**settings_)


def test_a_schedule_that_leaves_zero_and_one_later_is_refused_when_it_does():
    plan = BatchPlan(synthetic=lambda step: step / 100)
    with pytest.raises(ConfigError, match="synthetic_ratio at step 101"):
        plan.counts(10, 101, (5, 5, 5, 5), np.random.default_rng(0))


@pytest.mark.parametrize("bad", [{"start": -1.0}, {"end": 1.5}, {"steps": 0}])
def test_a_line_outside_zero_and_one_is_refused(bad):
    with pytest.raises(ConfigError, match="LinearSchedule"):
        LinearSchedule(**({"start": 0.0, "end": 1.0, "steps": 10} | bad))


# -- the buffer -----------------------------------------------------------------------------


def test_a_batch_is_all_offline_before_the_first_step_and_mixed_after_the_first_refresh():
    buffer = make()
    rows, counts = counted(buffer, 300)
    assert counts == [0, 300, 0, 0] and (rows.rewards < -SHIFT + 17).all()
    feed(buffer, 100)
    assert counted(buffer, 300)[1] == [180, 120, 0, 0]
    feed(buffer, 100)
    rows, counts = counted(buffer, 300)
    assert counts == [100, 100, 80, 20] and buffer.stats.refreshes == 1
    assert len(buffer.engine.stores["online"]) == 400 and len(buffer.engine.stores["offline"]) == 100


def test_every_row_is_from_the_source_that_is_said():
    buffer = feed(make(), 300)
    rows, _ = counted(buffer, 600)
    real = {"online": set(buffer.transitions().rewards), "offline": set(offline_data().rewards.astype(np.float32))}
    for number, name in enumerate(SOURCES):
        mine = rows.rewards[buffer.last_sources == number]
        stored = real.get(name)
        if stored is None:
            stored = set(buffer.engine.stores[name.removeprefix("synthetic_")].rows()["rewards"])
        assert len(mine) and set(mine) <= stored
    assert (np.diff(buffer.last_sources) != 0).mean() > 0.3  # shuffled


def test_a_batch_has_the_dtypes_of_the_spaces():
    rows, _ = counted(feed(make()))
    assert rows.observations.dtype == ENV.observation_space.dtype and rows.actions.shape == (256, 1)
    assert rows.terminations.dtype == bool and rows.rewards.dtype == np.float32


def test_oorb_batches_are_of_one_kind():
    buffer = feed(make(plan="oorb", synthetic_ratio=0.5))
    kinds = set()
    for _ in range(40):
        _, counts = counted(buffer, 10)
        assert counts in ([5, 0, 5, 0], [0, 5, 0, 5])
        kinds.add(counts[0])
        assert set(buffer.last_sources % 2) == {0 if counts[0] else 1}
    assert kinds == {0, 5}


@pytest.mark.parametrize(
    ("generation", "counts", "stores", "labels"),
    [
        ("none", [150, 150, 0, 0], set(), []),
        ("online", [100, 100, 100, 0], {"online"}, []),
        ("unconditional", [100, 100, 80, 20], {"both"}, []),
        ("cfg", [100, 100, 80, 20], {"online", "offline"}, ["offline", "online"]),
    ],
)
def test_what_it_is_compared_with_is_one_argument_away(generation, counts, stores, labels):
    buffer = feed(make(generation=generation))
    assert counted(buffer, 300)[1] == counts
    assert set(buffer.engine.stores) == stores and buffer.engine.generator.labels == labels


def test_a_refresh_with_few_online_rows_generates_offline_rows_alone():
    buffer = feed(make(refresh_every=50), 50)
    _, counts = counted(buffer, 300)
    assert buffer.engine.generator.labels == ["offline"] and counts == [180, 100, 0, 20]
    feed(buffer, 60)
    assert counted(buffer, 300)[1] == [100, 100, 80, 20]


@pytest.mark.parametrize("offline_rows", [110, 600])
def test_labels_train_equally_often_whatever_their_sizes(offline_rows):
    buffer = feed(make(offline=offline_data(offline_rows)), 300)
    buffer.sample(10)
    codec = buffer.engine.generator._model.codec
    codes = np.repeat([[0], [1]], [offline_rows, 300], axis=0)
    if codec.conditions.table.shape[1] > 1:
        codes = np.concatenate([np.zeros_like(codes), codes], axis=1)
    pool = codec.conditions.training_pool(np.zeros(len(codes), bool), codes)
    drawn = np.bincount(codes[pool, -1])
    assert drawn[0] == drawn[1] == max(offline_rows, 300)
    assert set(pool) == set(range(len(codes)))


def test_ten_thousand_batches_have_the_same_exact_counts():
    buffer = feed(make())
    seen = {tuple(counted(buffer, 30)[1]) for _ in range(10_000)}
    assert seen == {(10, 10, 8, 2)}


def test_a_schedule_is_given_the_environment_step():
    steps: list[int] = []
    buffer = make(online_ratio=lambda step: steps.append(step) or 0.5, synthetic_ratio=LinearSchedule(0.0, 1.0, 400))
    feed(buffer, 200)
    assert counted(buffer, 100)[1][2:] == [40, 10]
    feed(buffer, 100)
    assert counted(buffer, 100)[1][2:] == [60, 15]
    assert steps[-1] == 300


@pytest.mark.parametrize("validate", [None, 0.1])
def test_a_refresh_that_would_generate_nothing_is_put_off(validate):
    buffer = feed(make(refresh_every=50, synthetic_online_ratio=1.0, validate=validate), 60)
    assert counted(buffer, 300)[1] == [200, 100, 0, 0] and buffer.stats.refreshes == 0
    feed(buffer, 60)
    assert counted(buffer, 300)[1] == [100, 100, 100, 0]


def test_the_ring_of_online_rows_can_overflow():
    buffer = make()
    for _ in range(8):
        feed(buffer, 200)
    rows, counts = counted(buffer, 300)
    assert len(buffer) == 1000 and counts == [100, 100, 80, 20]
    assert set(rows.rewards[buffer.last_sources == 0]) <= set(buffer.transitions().rewards)


def test_guidance_reaches_the_generator():
    buffer = make(guidance_weight=1.5)
    assert buffer.engine.generator.config.guidance.weight == 1.5


def test_each_store_holds_rows_like_those_of_its_label():
    learned = replace(TINY, training=replace(TINY.training, steps=400), relabel=RelabelConfig())
    buffer = feed(make(generator=learned))
    buffer.sample(8)
    means = {name: store.rows()["rewards"].mean() for name, store in buffer.engine.stores.items()}
    assert means["online"] - means["offline"] > SHIFT / 2  # without the label: 0


def test_with_a_floor_that_no_generator_reaches_batches_hold_real_rows_alone():
    buffer = feed(make(validate=1.0))
    with pytest.warns(UserWarning, match="kept out of training"):
        assert counted(buffer, 300)[1] == [180, 120, 0, 0]


def test_a_pickled_buffer_goes_on_with_the_same_batches():
    buffer = feed(make(synthetic_ratio=LinearSchedule(0.1, 0.9, 1000)))
    buffer.sample(32)
    again = pickle.loads(pickle.dumps(buffer))
    for held in (buffer, again):
        feed(held, 50)
    first, second = buffer.sample(64).leaves(), again.sample(64).leaves()
    assert all(np.array_equal(a, second[name]) for name, a in first.items())
    assert np.array_equal(buffer.last_sources, again.last_sources)
    assert str(buffer.stats) == str(again.stats)


@pytest.mark.parametrize("format_", ["npz", "d4rl"])
def test_offline_data_may_be_a_file(format_, tmp_path):
    path = tmp_path / {"npz": "data.npz", "d4rl": "data.hdf5"}[format_]
    write(path, offline_data())
    buffer = make(offline=path)
    assert len(buffer.offline) == 600
    assert np.allclose(np.sort(buffer.offline.rows()["rewards"]), np.sort(offline_data().rewards), atol=1e-4)


def test_dict_observations_are_mixed_key_by_key():
    space = spaces.Dict({"a": spaces.Box(-9, 9, (2,)), "b": spaces.Discrete(3)})
    rng = np.random.default_rng(0)
    obs = {"a": rng.standard_normal((300, 2)).astype(np.float32), "b": rng.integers(0, 3, 300)}
    rows = Transitions(obs, rng.integers(0, 2, 300), rng.standard_normal(300), obs, np.zeros(300))
    buffer = CFGMixedBuffer(
        500, space, spaces.Discrete(2), rows, generator=TINY, refresh_every=150, seed=0, device="cpu"
    )
    part = rows[:150]
    buffer.add(part.observations, part.actions, part.rewards, part.next_observations, part.terminations)
    batch = buffer.sample(60)
    assert batch.observations["a"].shape == (60, 2) and set(batch.observations["b"]) <= {0, 1, 2}
    assert np.bincount(buffer.last_sources).tolist() == [20, 20, 16, 4]


# -- bad input ------------------------------------------------------------------------------


def test_offline_data_that_cannot_be_used_is_refused_before_any_work(tmp_path):
    good = offline_data()
    with pytest.raises(DatasetError, match="does not exist"):
        make(offline=tmp_path / "gone.hdf5")
    with pytest.raises(ConfigError, match="Transitions"):
        make(offline=42)
    with pytest.raises(InvalidTransitionsError, match="no transitions"):
        make(offline=good[:0])
    with pytest.raises(SpecMismatchError, match="another environment"):
        make(offline=rollout("MountainCarContinuous-v0"))
    with pytest.raises(InvalidTransitionsError, match="environment units"):
        make(offline=replace(good, actions=good.actions * 3))
    with pytest.raises(InvalidTransitionsError, match="NaN"):
        make(offline=replace(good, rewards=np.full(600, np.nan)))


def test_a_file_that_states_another_action_scale_is_refused(tmp_path):
    scaled = replace(offline_data(), actions=offline_data().actions / 2)
    space = spaces.Box(-1, 1, (1,), np.float32)
    write(tmp_path / "scaled", scaled, TransitionSpec(ENV.observation_space, space))
    with pytest.raises(SpecMismatchError, match="environment's scale"):
        make(offline=tmp_path / "scaled")


def test_a_file_that_states_no_action_space_is_read_with_the_environments(tmp_path):
    rows = offline_data()
    small = np.clip(rows.actions, -0.9, 0.9)  # all in [-1, 1], in an environment of [-2, 2]
    columns = {name: getattr(rows, name) for name in ("observations", "rewards", "next_observations")}
    np.savez(tmp_path / "bare.npz", actions=small, terminals=rows.terminations, **columns)
    assert len(make(offline=tmp_path / "bare.npz").offline) == 600


def test_a_pickle_says_how_it_can_be_given(tmp_path):
    (tmp_path / "buffer.pkl").write_bytes(pickle.dumps({}))
    with pytest.raises(DatasetError, match=r"open_dataset\(.*trusted=True\)"):
        make(offline=tmp_path / "buffer.pkl")


def test_actions_that_use_half_of_their_range_are_mentioned():
    rows = Transitions.concatenate([offline_data(), offline_data()])
    with pytest.warns(UserWarning, match="rescaled"):
        make(offline=replace(rows, actions=rows.actions / 2))


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({"generation": "vae"}, "generation is one of"),
        ({"generator": "additive_noise"}, "with labels"),
        ({"guidance_weight": -2.0}, "at least -1"),
        ({"guidance_weight": 1.0, "generation": "online"}, "guidance_weight is for"),
        ({"synthetic_ratio": 2.0}, "synthetic_ratio"),
        ({"plan": "both"}, "concat, oorb"),
        ({"refresh_every": 0}, "refresh_every"),
    ],
)
def test_settings_that_cannot_work_are_refused(kwargs, match):
    with pytest.raises(ConfigError, match=match):
        make(**kwargs)


def test_a_generator_without_the_labels_is_refused_and_one_with_them_fills_the_stores(tmp_path):
    rows = Transitions(**{k: v for k, v in offline_data().columns().items() if k != "truncations"})
    unlabelled = TransitionGenerator(ENV.observation_space, ENV.action_space, TINY, 0, "cpu").fit(rows)
    unlabelled.save(tmp_path / "plain")
    with pytest.raises(ConfigError, match="'online' or 'offline'"):
        make(generator=tmp_path / "plain")
    unlabelled.fit(rows, labels=np.full(len(rows), "offline")).save(tmp_path / "labelled")
    buffer = make(generator=tmp_path / "labelled")
    assert counted(buffer, 300)[1] == [0, 280, 0, 20]


def test_a_saved_generator_of_both_labels_is_validated_on_the_rows_that_are_there(tmp_path):
    buffer = feed(make())
    buffer.sample(10)
    buffer.engine.generator.save(tmp_path)
    assert counted(make(generator=tmp_path, validate=0.0), 300)[1] == [0, 200, 80, 20]
