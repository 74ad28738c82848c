"""Wide rows by their principal axes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces

from synth_replay import TransitionGenerator, Transitions, TransitionSpec
from synth_replay.codec.codec import TransitionCodec
from synth_replay.codec.config import CodecConfig
from synth_replay.codec.whitening import MIN_STD, PrincipalAxes, delta_columns
from synth_replay.generator import CPU
from synth_replay.generator.fitted import FittedModel, new_denoiser
from synth_replay.generator.sampling import SamplingOptions

LATENTS, FEW = spaces.Box(-1, 1, (40,)), spaces.Box(-1, 1, (31,))
ACTIONS = spaces.Box(-1, 1, (2,))


def latents(n=500, dim=40, seed=0):
    """Columns of few causes, as an encoder makes them; one of them is constant."""
    rng = np.random.default_rng(seed)
    causes = np.cumsum(rng.standard_normal((n + 1, 3)), axis=0) * 0.3
    seen = np.tanh(causes @ rng.standard_normal((3, dim)) + 0.05 * rng.standard_normal((n + 1, dim)))
    seen[:, 7] = 0.25
    seen = seen.astype(np.float32)
    return Transitions(
        seen[:-1],
        rng.uniform(-1, 1, (n, 2)).astype(np.float32),
        rng.standard_normal(n),
        seen[1:],
        np.arange(n) % 100 == 99,
    )


def fit(rows, space, config=None):
    codec = TransitionCodec(TransitionSpec(space, ACTIONS), config or CodecConfig())
    return codec, codec.fit_transform(rows, np.random.default_rng(0))


@pytest.mark.parametrize("n", [20, 500])
@pytest.mark.parametrize("next_observations", ["delta", "absolute"])
@pytest.mark.parametrize("normalizer", ["auto", "zscore", "quantile"])
def test_wide_rows_come_back_also_when_they_are_fewer_than_their_columns(n, next_observations, normalizer):
    rows = latents(n)
    codec, encoded = fit(rows, LATENTS, CodecConfig(normalizer=normalizer, next_observations=next_observations))
    assert codec.axes is not None
    assert encoded.rows.shape == (n, 39 + 39 + 2 + 1)
    back = codec.decode(encoded.rows, encoded.codes)
    for name in ("observations", "next_observations", "actions", "rewards"):
        np.testing.assert_allclose(getattr(back, name), getattr(rows, name), atol=2e-5, err_msg=name)
    assert (back.observations[:, 7] == 0.25).all()


def test_axes_are_uncorrelated_and_their_spreads_are_square_roots_of_the_columns_singular_values():
    rng = np.random.default_rng(1)
    rows = (
        rng.standard_normal((2_000, 5)) @ np.diag([10, 5, 1, 0.3, 0.1]) @ np.linalg.qr(rng.standard_normal((5, 5)))[0]
    )
    axes = PrincipalAxes.from_scores(rows, np.arange(5))
    made = axes.forward(rows)
    np.testing.assert_allclose(np.corrcoef(made.T), np.eye(5), atol=1e-8)
    assert np.mean(made.var(axis=0, ddof=1)) == pytest.approx(1)
    np.testing.assert_allclose(axes.stds, made.std(axis=0, ddof=1))
    singular = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    spreads = np.sort(made.std(axis=0))[::-1]
    np.testing.assert_allclose(spreads / spreads[0], np.sqrt(singular / singular[0]), rtol=1e-8)


def test_an_axis_without_spread_is_not_blown_up():
    rows = np.repeat(np.random.default_rng(0).standard_normal((300, 1)), 3, axis=1)
    axes = PrincipalAxes.from_scores(rows, np.arange(3))
    assert np.abs(axes.forward(rows)).max() < 10
    noise = np.random.default_rng(1).standard_normal((1_000, 3))
    assert np.abs(axes.inverse(noise)).max() < 20 and np.sqrt(MIN_STD) < 0.2


def test_other_columns_are_left_alone():
    rows = np.random.default_rng(0).standard_normal((50, 6))
    axes = PrincipalAxes.from_scores(rows, np.array([1, 4]))
    np.testing.assert_array_equal(axes.forward(rows)[:, [0, 2, 3, 5]], rows[:, [0, 2, 3, 5]])
    np.testing.assert_array_equal(axes.inverse(rows)[:, [0, 2, 3, 5]], rows[:, [0, 2, 3, 5]])
    np.testing.assert_allclose(axes.inverse(axes.forward(rows)), rows, atol=1e-10)


def test_narrow_rows_and_those_that_ask_for_it_keep_their_columns():
    narrow = latents(dim=31)
    assert fit(narrow, FEW)[0].axes is None  # 62 columns
    wide = latents()
    codec, encoded = fit(wide, LATENTS, CodecConfig(decorrelate="never", normalizer="zscore"))
    assert codec.axes is None
    first = (wide.observations[:, 0] - wide.observations[:, 0].mean()) / wide.observations[:, 0].std()
    np.testing.assert_allclose(encoded.rows[:, 0], first, atol=1e-5)


@pytest.mark.parametrize("scale", [0.1, 3.0, 1e6, np.inf, np.nan])
def test_any_network_output_of_a_wide_row_decodes_to_a_row_that_satisfies_the_spec(scale):
    rows = latents()
    codec, encoded = fit(rows, LATENTS)
    rng = np.random.default_rng(0)
    made = codec.decode((rng.standard_normal(encoded.rows.shape) * scale).astype(np.float32), encoded.codes)
    codec.spec.check(made)


def test_a_generator_of_wide_rows_read_from_disk_draws_the_same(tmp_path, tiny):
    made = TransitionGenerator(LATENTS, ACTIONS, tiny, 0).fit(latents())
    made.save(tmp_path / "made")
    again, wanted = TransitionGenerator.load(tmp_path / "made").sample(50), made.sample(50)
    for name, array in wanted.leaves().items():
        np.testing.assert_array_equal(array, again.leaves()[name])


def test_a_wide_codec_rebuilt_from_its_state_decodes_the_same():
    codec, encoded = fit(latents(), LATENTS)
    again = TransitionCodec(codec.spec, codec.config)
    again.restore(codec.state())
    for name, array in codec.decode(encoded.rows, encoded.codes).leaves().items():
        np.testing.assert_array_equal(array, again.decode(encoded.rows, encoded.codes).leaves()[name])


@pytest.mark.parametrize(("dim", "space", "same"), [(40, LATENTS, "absolute"), (31, FEW, "delta")])
def test_next_observations_of_wide_bounded_rows_are_encoded_as_they_are_and_those_of_narrow_ones_as_deltas(
    dim, space, same
):
    rows = latents(dim=dim)
    auto = fit(rows, space)[1].rows
    np.testing.assert_array_equal(auto, fit(rows, space, CodecConfig(next_observations=same))[1].rows)
    other = "delta" if same == "absolute" else "absolute"
    assert not np.array_equal(auto, fit(rows, space, CodecConfig(next_observations=other))[1].rows)


def test_which_columns_are_deltas_is_decided_column_by_column():
    huge = np.finfo(np.float32).max
    low = np.array([-1, -np.inf, 0, -huge, -np.inf, -np.inf, -5], np.float32)
    high = np.array([1, np.inf, np.inf, huge, np.inf, 0, np.inf], np.float32)
    values = np.random.default_rng(0).standard_normal((1_000, 7)).astype(np.float32)
    values[:60, 4] = 0.5  # six in a hundred
    values[:40, 6] = 0.5  # four
    leaf = next(leaf for leaf in TransitionSpec(spaces.Box(low, high), ACTIONS).leaves if "next" in leaf.name)
    assert delta_columns(leaf, values).tolist() == [False, True, True, True, False, True, True]
    many = np.concatenate([values] * 30)  # of which every third is looked at
    assert delta_columns(leaf, many + np.arange(30_000)[:, None] * np.float32(1e-3)).tolist() == [False] + 6 * [True]


@pytest.mark.parametrize("where", ["now", "from its state", "from a state without them"])
def test_rows_of_deltas_and_of_values_come_back_also_from_a_state(where):
    space = spaces.Dict(relu=spaces.Box(0, np.inf, (40,)), speed=spaces.Box(-np.inf, np.inf, (3,)))
    plain, rng = latents(), np.random.default_rng(0)
    speed = np.cumsum(rng.standard_normal((501, 3)), axis=0).astype(np.float32)
    before = {"relu": np.maximum(plain.observations, 0), "speed": speed[:-1]}
    after = {"relu": np.maximum(plain.next_observations, 0), "speed": speed[1:]}
    rows = replace(plain, observations=before, next_observations=after)
    codec, encoded = fit(rows, space)
    assert codec.deltas["next_observations/speed"].all() and not codec.deltas["next_observations/relu"].any()
    state = codec.state()
    if where == "from its state":
        codec = TransitionCodec(codec.spec, codec.config)
        codec.restore(state)
    elif where == "from a state without them":  # the meaning that auto had before it was written down
        codec, encoded = fit(rows, space, CodecConfig(next_observations="absolute"))
        state = {name: array for name, array in codec.state().items() if not name.startswith("delta")}
        codec = TransitionCodec(codec.spec, CodecConfig())
        codec.restore(state)
    back = codec.decode(encoded.rows, encoded.codes)
    for name in ("relu", "speed"):
        np.testing.assert_allclose(back.next_observations[name], after[name], atol=1e-4)


def test_actions_and_rewards_have_a_fifth_of_the_loss_beside_many_axes_and_no_less_than_their_number_elsewhere():
    weights = fit(latents(), LATENTS)[0].loss_weights  # 78 axes, two actions, a reward
    assert weights.mean() == pytest.approx(1) and len(weights) == 81
    np.testing.assert_allclose(weights[[39, 40, 41]], 0.2 * 81 / 3)
    np.testing.assert_allclose(np.delete(weights, [39, 40, 41]), 0.8 * 81 / 78)
    axes = PrincipalAxes.from_scores(np.random.default_rng(0).standard_normal((50, 5)), np.arange(3))
    np.testing.assert_array_equal(axes.loss_weights(np.arange(5)), 1)
    np.testing.assert_array_equal(axes.loss_weights(np.arange(3)), 1)
    assert fit(latents(dim=31), FEW)[0].loss_weights is None


def test_the_denoiser_of_wide_rows_learns_with_these_weights_and_that_of_narrow_ones_without():
    for dim, space in ((40, LATENTS), (31, FEW)):
        codec = fit(latents(dim=dim), space)[0]
        denoiser, wanted = new_denoiser(codec, CPU, torch.device("cpu"), 0), codec.loss_weights
        assert (denoiser.weights is None) == (wanted is None)
        if wanted is not None:
            np.testing.assert_allclose(denoiser.weights, wanted, rtol=1e-6)


class ExactDenoiser:
    """The best denoiser of Gaussian rows (Karras et al. 2022, Appendix B.3), of columns without correlation."""

    device = torch.device("cpu")

    def __init__(self, rows):
        self.mean, self.variance = torch.from_numpy(rows.mean(axis=0)), torch.from_numpy(rows.var(axis=0))

    def for_sampling(self, condition, guidance):
        return lambda x, sigma: self.mean + self.variance / (self.variance + sigma**2) * (x - self.mean)


def test_an_exact_denoiser_draws_the_whole_spread_of_the_widest_axis():
    rng = np.random.default_rng(0)
    cause = rng.standard_normal((4_000, 1)) * np.ones(40) * 0.2 + 0.02 * rng.standard_normal((4_000, 40))
    noise = rng.standard_normal((4_000, 2)) * 0.2
    rows = Transitions(cause, noise, noise[:, 0], cause + 0.01 * rng.standard_normal((4_000, 40)), noise[:, 0] > 9)
    codec, encoded = fit(rows, LATENTS, CodecConfig(normalizer="zscore"))
    model = FittedModel(codec, ExactDenoiser(encoded.rows), None, [])
    options = SamplingOptions(CPU.sampler, CPU.guidance)
    made = model.sampler(options, torch.Generator().manual_seed(0)).sample(encoded.codes, None)
    for name in ("observations", "next_observations"):
        real, drawn = getattr(rows, name).mean(axis=1), getattr(made, name).mean(axis=1)
        assert drawn.std() == pytest.approx(real.std(), rel=0.05)


def test_a_warm_start_of_wide_rows_is_one_from_scratch(tiny):
    """Weights of other axes mean nothing."""
    made = []
    for warm in (True, False):
        generator = TransitionGenerator(LATENTS, ACTIONS, tiny, 0).fit(latents(seed=0))
        made.append(generator.fit(latents(seed=1), warm_start=warm).sample(50))
    for name, array in made[0].leaves().items():
        np.testing.assert_array_equal(array, made[1].leaves()[name])
