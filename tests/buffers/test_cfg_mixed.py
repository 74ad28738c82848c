"""Four sources in a batch: exact counts, arms, and what happens while a source is empty."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import Transitions
from synth_replay.buffers import SOURCES, LinearSchedule
from synth_replay.buffers.cfg_mixed import CFGMixedBuffer
from synth_replay.generator import RelabelConfig
from tests.buffers.helpers import ENV, SHIFT, counted, feed, make, offline_data, write
from tests.conftest import TINY


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
        ("conditional", [100, 100, 80, 20], {"online", "offline"}, ["offline", "online"]),
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
