"""Numbers far from 1 keep their spread, or are refused or reported with the column's name."""

from dataclasses import replace

import numpy as np
import pytest
from gymnasium import spaces

from synth_replay import TransitionGenerator, Transitions, evaluate
from synth_replay.codec import TransitionCodec
from synth_replay.errors import InvalidTransitionsError
from synth_replay.report.rows import comparable_rows
from tests.conftest import TINY

CONFIG = replace(
    TINY,
    training=replace(TINY.training, steps=100, batch_size=128, learning_rate=4e-3, eval_every=50),
    sampler=replace(TINY.sampler, steps=8),
    relabel=replace(TINY.relabel, steps=200, width=32),
)


def rows(offset=0.0, scale=1.0, dtype=np.float64, n=1000, **changes):
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(n, 2))
    after = seen + rng.normal(scale=0.1, size=(n, 2))
    before, after = ((offset + scale * x).astype(dtype) for x in (seen, after))
    made = Transitions(before, rng.uniform(-1, 1, (n, 1)), seen[:, 0], after, np.zeros(n, bool))
    return replace(made, **changes)


def box(dtype=np.float64):
    low, high = (-np.inf, np.inf) if np.issubdtype(dtype, np.floating) else (-(2**62), 2**62)
    return spaces.Box(low, high, (2,), dtype)


def generator(space=None, config=CONFIG):
    return TransitionGenerator(box() if space is None else space, spaces.Box(-1, 1, (1,)), config, 0, "cpu")


def same_spread(found, real, factor=1.6):
    ratio = found.astype(np.float64).std(axis=0) / real.astype(np.float64).std(axis=0)
    return (1 / factor < ratio).all() and (ratio < factor).all()


@pytest.mark.parametrize(
    ("offset", "scale", "dtype"),
    [
        (1e8, 1.0, np.float64),
        (1.7e9, 0.01, np.float64),  # Unix times, hundredths of a second apart
        (1_700_000_000, 50.0, np.int64),  # Unix times in whole seconds
        (0.0, 1e100, np.float64),
        (0.0, 1e-100, np.float64),
        (0.0, 1e-9, np.float32),
        (0.0, 1e30, np.float32),
    ],
)
def test_columns_keep_their_spread_and_rewards_are_learnt_from_them(offset, scale, dtype):
    real = rows(offset, scale, dtype)
    made = generator(box(dtype)).fit(real).sample(1000)
    for name in ("observations", "next_observations"):
        found, truth = getattr(made, name), getattr(real, name)
        assert found.dtype == dtype and np.isfinite(found).all()
        assert same_spread(found, truth) and len(np.unique(found)) > len(np.unique(truth)) / 4
    steps = [(r.next_observations.astype(np.float64) - r.observations) for r in (made, real)]
    assert same_spread(*steps)
    standard = (made.observations[:, 0].astype(np.float64) - offset) / scale
    assert np.corrcoef(made.rewards, standard)[0, 1] > 0.8


def test_keys_of_dict_observations_keep_their_spread_too():
    flat = rows(1e8)
    nested = replace(
        flat,
        observations={"t": flat.observations, "x": flat.observations - 1e8},
        next_observations={"t": flat.next_observations, "x": flat.next_observations - 1e8},
    )
    made = generator(spaces.Dict({"t": box(), "x": box()})).fit(nested).sample(500)
    for key in ("t", "x"):
        assert same_spread(made.next_observations[key], nested.next_observations[key])


def test_a_saved_generator_keeps_the_spread(tmp_path):
    made = generator().fit(rows(1e8))
    made.save(tmp_path / "g")
    again = TransitionGenerator.load(tmp_path / "g", device="cpu").sample(100)
    assert np.array_equal(again.rewards, made.sample(100).rewards)


@pytest.mark.parametrize(
    ("column", "value", "space"),
    [
        ("observations", 1e200, np.float64),
        ("next_observations", -1e200, np.float64),
        ("observations", 1e38, np.float32),
        ("rewards", 1e200, np.float64),
        ("returns_to_go", -1e39, np.float64),
        ("discounts", 1e38, np.float64),
    ],
)
def test_numbers_that_cannot_be_modelled_are_refused_with_their_column(column, value, space):
    real = rows(n=200)
    held = np.ones(200) if getattr(real, column) is None else np.array(getattr(real, column))
    held[7] = value
    made = generator(box(space))
    with pytest.raises(InvalidTransitionsError, match=rf"{column} holds a value of magnitude 1e"):
        made.fit(replace(real, **{column: held}))
    assert not made.fitted


def test_a_key_of_dict_observations_is_refused_by_its_name():
    flat = rows(scale=1e200, n=200)
    nested = replace(flat, observations={"t": flat.observations}, next_observations={"t": flat.next_observations})
    with pytest.raises(InvalidTransitionsError, match="observations/t holds"):
        generator(spaces.Dict({"t": box()})).fit(nested)


def test_labels_that_cannot_be_scaled_are_refused():
    with pytest.raises(InvalidTransitionsError, match="label's magnitude"):
        generator().fit(rows(n=200), labels=np.full(200, 1e200))


@pytest.mark.parametrize(
    ("real", "space", "name"),
    [
        (rows(1e8, n=200), np.float32, "next_observations"),
        (replace(rows(n=200), rewards=1e9 + np.arange(200.0)), np.float64, "rewards"),
        (replace(rows(n=200), returns_to_go=1e9 + np.arange(200.0)), np.float64, "returns_to_go"),
    ],
)
def test_a_space_too_coarse_for_the_values_is_reported_with_the_column(real, space, name, caplog):
    generator(box(space), TINY).fit(real)
    assert any(message.startswith(f"{name}: generated values are float32") for message in caplog.messages)


@pytest.mark.parametrize("values", [np.full(200, 0.1), 0.1 + 1e-17 * np.arange(200), np.linspace(-1e3, 1e3, 200)])
def test_rounding_that_loses_nothing_is_not_reported(values, caplog):
    generator(box(np.float32), TINY).fit(replace(rows(n=200), rewards=values))
    assert not caplog.messages


@pytest.mark.parametrize("dtype", [np.int64, np.uint64, np.int8])
def test_integers_at_the_end_of_their_dtype_do_not_wrap_around(dtype):
    space = spaces.Box(np.iinfo(dtype).min, np.iinfo(dtype).max, (1,), dtype)
    near = np.iinfo(dtype).max - np.random.default_rng(0).integers(0, 100, (400, 1)).astype(dtype)
    flat = rows(n=400)
    real = replace(flat, observations=near, next_observations=near)
    codec = TransitionCodec(generator(space).spec, CONFIG.codec)
    encoded = codec.fit_transform(real, np.random.default_rng(0))
    decoded = codec.decode(encoded.rows + 3, encoded.codes)
    assert decoded.observations.dtype == dtype and (decoded.observations > np.iinfo(dtype).max // 2 - 100).all()


STEPS = np.arange(200) % 100


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_integer_rewards_that_float32_merges_are_reported(dtype, caplog):
    largest = dtype(np.iinfo(dtype).max)
    generator(config=TINY).fit(replace(rows(n=200), rewards=largest - STEPS.astype(dtype)))
    assert [message.split(":")[0] for message in caplog.messages] == ["rewards"]


@pytest.mark.parametrize("column", ["observations", "actions"])
@pytest.mark.parametrize(("dtype", "offset"), [(np.int64, 2**60), (np.int64, -(2**60)), (np.uint64, 2**63)])
def test_wide_integers_that_float64_merges_are_reported(column, dtype, offset, caplog):
    values = np.stack([STEPS.astype(dtype), STEPS[::-1].astype(dtype) + dtype(offset)], axis=1)
    wide = spaces.Box(np.iinfo(dtype).min, np.iinfo(dtype).max, (2,), dtype)
    given = {"observations": box(), "actions": spaces.Box(-1, 1, (1,))} | {column: wide}
    made = TransitionGenerator(given["observations"], given["actions"], TINY, 0, "cpu")
    real = {column: values} | ({"next_observations": values} if column == "observations" else {})
    made.fit(replace(rows(n=200), **real))
    start = f"{column}: {np.dtype(dtype).name} values are modelled as float64, whose precision is too low"
    found = [message for message in caplog.messages if message.startswith(start)]
    assert len(found) == 1 and "of the elements 1, so" in found[0]


@pytest.mark.parametrize("offset", [2**50, 2**52, -(2**52), 2**56])
def test_integers_that_float64_distinguishes_are_kept(offset, caplog):
    held = (offset + STEPS * max(1, abs(offset) // 2**50)).reshape(-1, 1)
    made = generator(spaces.Box(-(2**62), 2**62, (1,), np.int64), TINY)
    out = made.fit(replace(rows(n=200), observations=held, next_observations=held)).sample(200).observations
    assert len(np.unique(out)) > 50 and not caplog.messages
    assert held.min() <= out.min() and out.max() <= held.max()


@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_box_of_bools_is_generated_as_bools(shape, tmp_path):
    rng = np.random.default_rng(0)
    seen, after = rng.random((2, 400, *shape)) < 0.25
    made = generator(spaces.Box(0, 1, shape, np.bool_), TINY)
    made.fit(replace(rows(n=400), observations=seen, next_observations=after))
    made.save(tmp_path / "g")
    for each in (made, TransitionGenerator.load(tmp_path / "g", device="cpu")):
        out = each.sample(400)
        assert out.observations.dtype == out.next_observations.dtype == bool
        assert out.observations.shape == (400, *shape)
        assert 0.05 < out.observations.mean() < 0.6


def test_a_box_of_bools_may_be_an_action_and_a_key():
    rng = np.random.default_rng(0)
    flags = rng.random((200, 2)) < 0.5
    key, space = {"flags": flags}, spaces.Box(0, 1, (2,), np.bool_)
    made = TransitionGenerator(spaces.Dict({"flags": space}), space, TINY, 0, "cpu")
    out = made.fit(replace(rows(n=200), observations=key, next_observations=key, actions=flags)).sample(50)
    assert out.actions.dtype == out.observations["flags"].dtype == bool


@pytest.mark.parametrize(
    ("column", "dtype"), [("rewards", complex), ("observations", "complex64"), ("actions", "U3"), ("rewards", "m8[s]")]
)
def test_columns_that_are_no_real_numbers_are_refused_by_name(column, dtype):
    real = rows(n=200)
    held = np.zeros_like(getattr(real, column), dtype=dtype)
    with pytest.raises(InvalidTransitionsError, match=f"{column} must hold real numbers, not "):
        generator(config=TINY).fit(replace(real, **{column: held}))


def test_rows_that_cannot_be_compared_are_refused_with_their_column():
    good, bad = rows(n=50), rows(scale=1e200, n=50)
    with pytest.raises(InvalidTransitionsError, match=r"synthetic: (next_)?observations\[\d\] holds"):
        evaluate(good, bad)
    with pytest.raises(InvalidTransitionsError, match=r"synthetic: (next_)?observations\[\d\] holds"):
        comparable_rows(good, bad, None)
