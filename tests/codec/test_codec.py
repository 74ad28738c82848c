import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st

from synth_replay import Transitions, TransitionSpec
from synth_replay.codec.codec import TransitionCodec
from synth_replay.codec.config import CodecConfig
from synth_replay.codec.normalizers import Affine, Quantile
from synth_replay.errors import ConfigError, UnsupportedSpaceError
from tests.conftest import rollout

CONFIGS = [
    CodecConfig(),
    CodecConfig(normalizer="zscore", next_observations="absolute", discrete="diffuse"),
    CodecConfig(normalizer="quantile"),
]
UNIT = spaces.Box(-1, 1, (2,))
FREE = spaces.Box(-np.inf, np.inf, (3,), np.float64)


def fit(spec, rows, config):
    codec = TransitionCodec(spec, config)
    return codec, codec.fit_transform(rows, np.random.default_rng(0))


def some_rows(n=300, scale=1.0, offset=0.0, seed=0):
    rng = np.random.default_rng(seed)
    obs = offset + scale * rng.standard_normal((n, 3))
    after = obs + scale * 0.1 * rng.standard_normal((n, 3))
    return Transitions(
        obs, rng.uniform(-1, 1, (n, 2)).astype(np.float32), rng.standard_normal(n), after, rng.random(n) < 0.1
    )


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.normalizer)
@pytest.mark.parametrize(
    "action", [spaces.Discrete(3, start=2), spaces.MultiDiscrete([2, 5]), spaces.MultiBinary(4), UNIT]
)
def test_decode_inverts_encode_for_every_action_space(config, action):
    rows = some_rows()
    action.seed(0)
    rows = Transitions(**(rows.columns() | {"actions": np.array([action.sample() for _ in range(len(rows))])}))
    codec, encoded = fit(TransitionSpec(FREE, action), rows, config)
    back = codec.decode(encoded.rows, encoded.codes)
    assert back.actions.dtype == action.dtype and back.observations.dtype == np.float64
    np.testing.assert_allclose(back.actions, rows.actions, atol=1e-5)
    np.testing.assert_allclose(back.observations, rows.observations, atol=1e-5)
    np.testing.assert_allclose(back.next_observations, rows.next_observations, atol=2e-5)
    np.testing.assert_array_equal(back.terminations, rows.terminations)


@settings(max_examples=40, deadline=None)
@given(
    scale=st.sampled_from([1e-20, 1e-6, 1.0, 1e6, 1e20]),
    offset=st.sampled_from([0.0, 1.0, -1e6, 1e9]),
    config=st.sampled_from(CONFIGS),
    seed=st.integers(0, 1000),
)
def test_round_trip_tolerance_is_a_millionth_of_the_spread_and_of_the_magnitude(scale, offset, config, seed):
    rows = some_rows(scale=scale, offset=offset, seed=seed)
    codec, encoded = fit(TransitionSpec(FREE, UNIT), rows, config)
    assert np.isfinite(encoded.rows).all()
    back = codec.decode(encoded.rows, encoded.codes)
    tolerance = 3e-6 * np.ptp(rows.observations) + 1e-6 * np.abs(rows.observations).max()
    assert np.abs(back.observations - rows.observations).max() <= tolerance
    assert np.abs(back.next_observations - rows.next_observations).max() <= 2 * tolerance


def test_constant_dimensions_are_not_modelled_and_come_back_exactly():
    rows = some_rows()
    rows.observations[:, 1] = rows.next_observations[:, 1] = np.pi
    codec, encoded = fit(TransitionSpec(FREE, UNIT), rows, CodecConfig())
    assert codec.row_dim == 3 + 3 + 2 + 1 - 2
    back = codec.decode(np.random.default_rng(1).standard_normal(encoded.rows.shape) * 5, encoded.codes)
    assert (back.observations[:, 1] == np.pi).all()
    np.testing.assert_allclose(back.next_observations[:, 1], np.pi)


def test_a_dimension_that_is_constant_but_for_rounding_noise_is_not_blown_up():
    rows = some_rows()
    rows.observations[:, 0] = 1.0 + 1e-9 * np.random.default_rng(0).standard_normal(len(rows))
    codec, encoded = fit(TransitionSpec(FREE, UNIT), rows, CodecConfig())
    assert np.abs(encoded.rows).max() < 10
    np.testing.assert_allclose(codec.decode(encoded.rows, encoded.codes).observations[:, 0], 1.0, atol=1e-7)


def test_a_rare_outlier_does_not_reach_the_network_as_a_huge_number():
    rows = some_rows(50_000)
    rows.rewards[17] = rows.observations[3, 0] = 1e5
    _, encoded = fit(TransitionSpec(FREE, UNIT), rows, CodecConfig())
    assert np.abs(encoded.rows).max() < 50


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.sampled_from([0.1, 3.0, 1e6, np.inf, np.nan]))
def test_any_network_output_decodes_to_a_row_that_satisfies_the_spec(seed, scale):
    spec = TransitionSpec(spaces.Dict({"p": spaces.Box(0, 1, (2,)), "k": spaces.Discrete(3)}), spaces.Box(-2, 3, (2,)))
    rng = np.random.default_rng(seed)

    def observations():
        return {"p": rng.random((200, 2)).astype(np.float32), "k": rng.integers(0, 3, 200)}

    rows = Transitions(
        observations(), rng.uniform(-2, 3, (200, 2)), rng.random(200), observations(), rng.random(200) < 0.5
    )
    for config in CONFIGS:
        codec, encoded = fit(spec, rows, config)
        noise = rng.standard_normal(encoded.rows.shape) * scale
        made = codec.decode(noise.astype(np.float32), codec.conditions.sample(len(noise), rng))
        spec.check(made)
        assert (made.observations["p"] >= 0).all() and (made.observations["p"] <= 1).all()
        assert made.observations["p"].dtype == np.float32


def test_terminations_once_in_a_thousand_are_drawn_once_in_a_thousand():
    rows = some_rows(20_000)
    rows = Transitions(**(rows.columns() | {"terminations": np.arange(20_000) % 1000 == 0}))
    codec, _ = fit(TransitionSpec(FREE, UNIT), rows, CodecConfig())
    codes = codec.conditions.sample(100_000, np.random.default_rng(3))
    assert codec.decode(np.zeros((100_000, codec.row_dim)), codes).terminations.sum() in (99, 100, 101)


def test_drawn_conditions_follow_the_joint_distribution_and_are_shuffled():
    cartpole = rollout("CartPole-v1", 3000)
    spec = TransitionSpec(spaces.Box(-np.inf, np.inf, (4,)), spaces.Discrete(2))
    codec, _ = fit(spec, cartpole, CodecConfig())
    codes = codec.conditions.sample(30_000, np.random.default_rng(0))
    for combination, count in zip(codec.conditions.table, codec.conditions.counts, strict=True):
        assert abs((codes == combination).all(axis=1).sum() - 10 * count) <= 1
    halves = codes[:15_000].mean(axis=0), codes[15_000:].mean(axis=0)
    np.testing.assert_allclose(*halves, atol=0.02)


def test_sparse_rewards_and_discounts_keep_their_exact_values():
    rows = some_rows(500)
    rewards = np.where(np.arange(500) % 50 == 0, 0.0, -1.0)
    discounts = np.where(np.arange(500) % 10 == 0, 0.99, 0.99**3)
    rows = Transitions(**(rows.columns() | {"rewards": rewards, "discounts": discounts}))
    codec, _ = fit(TransitionSpec(FREE, UNIT, ["discounts"]), rows, CodecConfig())
    made = codec.decode(np.zeros((500, codec.row_dim)), codec.conditions.sample(500, np.random.default_rng(0)))
    assert set(made.rewards.tolist()) == {0.0, -1.0}
    assert set(made.discounts.tolist()) == {np.float32(0.99), np.float32(0.99**3)}
    assert (made.rewards == 0).mean() == pytest.approx(0.02, abs=0.005)


def test_rare_terminal_rows_are_drawn_more_often_in_training_only():
    terminations = np.arange(10_000) % 1000 == 0
    codec = TransitionCodec(TransitionSpec(FREE, UNIT), CodecConfig(terminal_oversampling=0.05))
    pool = codec.conditions.training_pool(terminations, np.zeros((len(terminations), 1), int))
    assert terminations[pool].mean() == pytest.approx(0.05, abs=0.001)
    assert set(pool.tolist()) == set(range(10_000))
    diffuse = TransitionCodec(codec.spec, CodecConfig(discrete="diffuse"))
    assert len(diffuse.conditions.training_pool(terminations, np.zeros((len(terminations), 0), int))) == 10_000


def test_observations_outside_a_sloppy_space_are_not_clipped():
    rows = some_rows()
    spec = TransitionSpec(spaces.Box(-0.1, 0.1, (3,), np.float64), UNIT)
    codec, encoded = fit(spec, rows, CodecConfig())
    assert np.abs(codec.decode(encoded.rows, encoded.codes).observations).max() > 1


@settings(max_examples=50, deadline=None)
@given(
    atoms=st.floats(0, 0.9),
    count=st.integers(2, 3000),
    seed=st.integers(0, 10_000),
)
def test_rank_scores_are_normal_and_invert_exactly_at_atoms(atoms, count, seed):
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(count) < atoms, 1.0, rng.uniform(-1, 1, count))
    table, scores = Quantile.from_values(values, rng)
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(table.inverse(scores), values, atol=1e-6 + 4 / count**2)
    if count > 1000:
        assert abs(scores.mean()) < 0.15 and abs(scores.std() - 1) < 0.15


def test_the_mean_of_rank_and_z_scores_keeps_the_gap_between_clusters():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-5, 0.1, 1000), rng.normal(5, 0.1, 1000)])
    gaps = []
    for weight in (1.0, 0.5):
        table, scores = Quantile.from_values(values, rng, weight)
        np.testing.assert_allclose(table.inverse(scores), values, atol=1e-4)
        gaps.append(scores[1000:].min() - scores[:1000].max())
    assert gaps[0] < 0.1 < 0.9 < gaps[1]


def test_affine_matches_its_closed_form():
    values = np.random.default_rng(0).normal(3, 2, (1000, 2))
    affine = Affine.from_values(values)
    np.testing.assert_allclose(affine.forward(values), (values - values.mean(0)) / values.std(0))
    np.testing.assert_allclose(affine.inverse(affine.forward(values)), values)


@pytest.mark.parametrize(
    "bad", [{"normalizer": "log"}, {"discrete": "maybe"}, {"quantile_weight": 0.0}, {"terminal_oversampling": 1.0}]
)
def test_unknown_choices_are_refused(bad):
    with pytest.raises(ConfigError):
        CodecConfig(**bad)


def test_too_many_categories_in_all_are_refused():
    space = spaces.MultiDiscrete([4000] * 3)
    rows = some_rows(200)
    rows = Transitions(**(rows.columns() | {"actions": np.zeros((200, 3), int)}))
    with pytest.raises(UnsupportedSpaceError):
        fit(TransitionSpec(FREE, space), rows, CodecConfig())


def test_a_codec_rebuilt_from_its_state_decodes_the_same():
    rows = some_rows()
    spec = TransitionSpec(FREE, UNIT)
    codec, encoded = fit(spec, rows, CodecConfig())
    again = TransitionCodec(spec, codec.config)
    again.restore(codec.state())
    a, b = codec.decode(encoded.rows, encoded.codes), again.decode(encoded.rows, encoded.codes)
    for name, array in a.leaves().items():
        np.testing.assert_array_equal(array, b.leaves()[name])
