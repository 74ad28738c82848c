"""Classifier-free guidance: the identities that it must keep, and a model whose guided law is known exactly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy.integrate import quad

from synth_replay import TransitionGenerator, Transitions
from synth_replay.diffusion import Denoiser, LabelColumns, ResidualMLP, sample
from synth_replay.diffusion.config import NetworkConfig, NoiseConfig, SamplerConfig
from synth_replay.diffusion.guidance import GuidanceConfig
from synth_replay.errors import ConfigError
from tests.conftest import TINY

SMALL = NetworkConfig(width=32, depth=2, embedding_dim=16)
LABEL = LabelColumns(2)  # two other conditions, then two classes and the null flag


def denoiser(label: LabelColumns | None = LABEL, label_dropout: float = 0.0) -> Denoiser:
    torch.manual_seed(0)
    return Denoiser(ResidualMLP(4, 5, SMALL), NoiseConfig(), label, label_dropout)


def conditions(rows: int) -> torch.Tensor:
    out = torch.zeros(rows, 5)
    out[torch.arange(rows), torch.arange(rows) % 2] = 1
    out[torch.arange(rows), 2 + torch.arange(rows) // 2 % 2] = 1
    return out


def plain(condition: torch.Tensor) -> object:
    """The denoiser of these very conditions, without any guidance."""
    return denoiser(label=None).for_sampling(condition)


@torch.no_grad()
def test_without_weight_the_model_is_the_conditional_one_bit_for_bit():
    x, condition = torch.randn(64, 4), conditions(64)
    guided = denoiser().for_sampling(condition, GuidanceConfig(0.0))
    for sigma in (0.01, 1.0, 50.0):
        assert torch.equal(guided(x, sigma), plain(condition)(x, sigma))


@torch.no_grad()
@pytest.mark.parametrize("weight", [-1.0, -0.5, 0.5, 3.0])
def test_every_evaluation_follows_the_papers_equation_7(weight):
    x, condition = torch.randn(64, 4), conditions(64)
    null = condition.clone()
    null[:, 2:] = torch.tensor([0.0, 0.0, 1.0])
    guided = denoiser().for_sampling(condition, GuidanceConfig(weight))
    for sigma in (0.01, 1.0, 50.0):
        expected = (1 + weight) * plain(condition)(x, sigma) - weight * plain(null)(x, sigma)
        torch.testing.assert_close(guided(x, sigma), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ["heun_sde", "heun_ode", "dpmpp_2m"])
def test_one_call_an_evaluation_on_once_or_twice_the_rows(name, monkeypatch):
    rows: list[int] = []
    whole = ResidualMLP.forward_folded

    def counted(self, x, *rest):
        rows.append(len(x))
        return whole(self, x, *rest)

    monkeypatch.setattr(ResidualMLP, "forward_folded", counted)
    config = SamplerConfig(name, steps=5, sigma_max=10.0)
    for weight, factor in ((0.0, 1), (2.0, 2), (-1.0, 1)):
        rows.clear()
        sample(denoiser().for_sampling(conditions(8), GuidanceConfig(weight)), (8, 4), config, torch.Generator())
        assert rows == [8 * factor] * config.evaluations


def test_guidance_acts_within_its_interval_only():
    config = GuidanceConfig(1.0, sigma_low=0.1, sigma_high=5.0)
    assert [config.acts_at(sigma) for sigma in (0.05, 0.1, 5.0, 5.1)] == [False, True, True, False]
    x, condition = torch.randn(16, 4), conditions(16)
    with torch.no_grad():
        guided = denoiser().for_sampling(condition, config)
        assert torch.equal(guided(x, 0.05), plain(condition)(x, 0.05))
        assert not torch.allclose(guided(x, 1.0), plain(condition)(x, 1.0))


def test_labels_are_dropped_at_the_stated_rate_and_become_the_null_token():
    condition = conditions(50_000)
    dropped = LABEL.drop(condition, 0.1, torch.Generator().manual_seed(0))
    lost = dropped[:, -1] == 1
    assert abs(int(lost.sum()) - 5000) < 4 * math.sqrt(50_000 * 0.1 * 0.9)
    assert torch.equal(dropped[:, :2], condition[:, :2])
    assert torch.equal(dropped[~lost], condition[~lost])
    assert (dropped[lost, 2:-1] == 0).all()
    assert lost.reshape(-1, 4).float().mean(dim=0).sub(0.1).abs().max() < 0.02  # whatever the label was


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_null_embedding_learns_only_from_dropped_labels(share):
    model = denoiser(label_dropout=share)
    loss = model.training_loss(torch.randn(64, 4), conditions(64), torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(loss, [model.network.condition.weight])
    assert bool(gradient[:, -1].any()) == (share > 0)


def guided_law(sigma_max: float, w: float, m: tuple[float, float], v: tuple[float, float]) -> tuple[float, float]:
    """Mean and variance of the guided flow's samples for Gaussian scores (conditional, null), from N(0, sigma_max^2).

    x' = (1 + w) s (x - m_c) / (v_c + s^2) - w s (x - m_0) / (v_0 + s^2) is linear in x, with the integrating factor
    phi(s) = (v_c + s^2)^((1 + w) / 2) (v_0 + s^2)^(-w / 2).
    """

    def phi(s: float) -> float:
        return (v[0] + s * s) ** ((1 + w) / 2) * (v[1] + s * s) ** (-w / 2)

    def pull(s: float) -> float:
        return s * ((1 + w) * m[0] / (v[0] + s * s) - w * m[1] / (v[1] + s * s)) / phi(s)

    mean = phi(0) * quad(pull, 0, sigma_max, limit=500)[0]
    return mean, (phi(0) / phi(sigma_max) * sigma_max) ** 2


@pytest.mark.parametrize("w", [0.0, 1.0, 2.5])
def test_with_exact_gaussian_scores_samples_follow_the_closed_form(w):
    m, v = (1.5, -0.5), (0.3, 1.2)

    def exact(x, sigma, which):
        return m[which] + v[which] / (v[which] + sigma**2) * (x - m[which])

    def denoise(x, sigma):
        return (1 + w) * exact(x, sigma, 0) - w * exact(x, sigma, 1)

    config = SamplerConfig("heun_ode", steps=128, sigma_max=80.0)
    rows = sample(denoise, (40_000, 1), config, torch.Generator().manual_seed(0)).double()
    mean, variance = guided_law(80.0, w, m, v)
    assert float(rows.mean()) == pytest.approx(mean, abs=0.02)
    assert float(rows.var()) == pytest.approx(variance, rel=0.05)
    if w == 0:
        assert (mean, variance) == (pytest.approx(m[0], rel=0.01), pytest.approx(v[0], rel=1e-3))


SLOPE, NOISE = 0.8, 0.6


@pytest.fixture(scope="module")
def linear_gaussian() -> TransitionGenerator:
    """Fitted on x | y ~ N(0.8 y, 0.6^2) with y ~ N(0, 1) as label, so that the null token's law is N(0, 1)."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal(20_000)
    x = SLOPE * y[:, None] + NOISE * rng.standard_normal((len(y), 2))
    free = rng.standard_normal(len(y))
    data = Transitions(x, np.zeros(len(y), int), free, np.zeros_like(x), np.zeros(len(y)))
    config = replace(
        TINY,
        network=replace(TINY.network, width=64, depth=3, embedding_dim=64),
        training=replace(TINY.training, steps=1500, eval_every=500, batch_size=512, learning_rate=3e-3),
        codec=replace(TINY.codec, normalizer="zscore", next_observations="absolute"),
        sampler=SamplerConfig("heun_ode", steps=24, sigma_max=20.0),
        relabel=replace(TINY.relabel, enabled=False),
        guidance=GuidanceConfig(label_dropout=0.3),
    )
    space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    return TransitionGenerator(space, spaces.Discrete(2), config, seed=0, device="cpu").fit(data, labels=y)


@pytest.mark.parametrize("label", [-1.0, 1.0])
@pytest.mark.parametrize("w", [0.0, 1.5])
def test_a_fitted_model_has_the_conditional_law_and_guidance_moves_it_as_the_formula_says(linear_gaussian, label, w):
    rows = linear_gaussian.sample(20_000, label=label, guidance_weight=w)
    # the sum and the difference of the coordinates are independent, with the label and without
    total, difference = (rows.observations @ np.array([[1.0, 1.0], [1.0, -1.0]]).T / np.sqrt(2)).T
    mean, variance = guided_law(20.0, w, (SLOPE * label * np.sqrt(2), 0.0), (NOISE**2, 2 * SLOPE**2 + NOISE**2))
    if w == 0:
        assert mean == pytest.approx(SLOPE * label * np.sqrt(2), rel=0.04)
        assert variance == pytest.approx(NOISE**2, rel=0.01)
    slack = 0.13 * (1 + 2 * w)  # of 1 + w and w parts of learnt scores; half a unit of w is more than this
    assert total.mean() == pytest.approx(mean, abs=0.15) and total.var() == pytest.approx(variance, rel=slack)
    assert difference.mean() == pytest.approx(0, abs=0.15) and difference.var() == pytest.approx(NOISE**2, rel=0.2)
    assert rows.rewards.std() == pytest.approx(1.0, abs=0.1)  # what does not depend on the label stays


def test_the_null_token_alone_is_the_unconditional_law(linear_gaussian):
    rows = linear_gaussian.sample(20_000, label=2.0, guidance_weight=-1.0)
    assert np.allclose(np.cov(rows.observations.T), [[1.0, SLOPE**2], [SLOPE**2, 1.0]], atol=0.15)
    assert np.abs(rows.observations.mean(axis=0)).max() < 0.1


def test_without_a_label_labels_are_drawn_as_in_the_data(linear_gaussian):
    spread = np.cov(linear_gaussian.sample(20_000).observations.T)
    assert np.allclose(spread, [[1.0, SLOPE**2], [SLOPE**2, 1.0]], atol=0.15)


@pytest.mark.parametrize(
    "settings",
    [
        {"weight": -1.1},
        {"weight": math.nan},
        {"weight": 1.0, "label_dropout": 0.0},
        {"label_dropout": 1.0},
        {"label_dropout": -0.1},
        {"sigma_low": 2.0, "sigma_high": 1.0},
        {"sigma_low": -1.0},
        {"sigma_low": float("nan")},
        {"sigma_high": float("nan")},
        {"sigma_high": "1"},
        {"label_dropout": "0.1"},
        {"weight": float("inf")},
        {"weight": float("nan")},
        {"weight": 1e30},
        {"weight": 100.5},
        {"weight": "1"},
        {"weight": "x" * 5000},
        {"weight": 1j},
        {"weight": True},
        {"weight": np.ones(2)},
        {"weight": None},
    ],
)
def test_settings_that_cannot_work_are_refused(settings):
    with pytest.raises(ConfigError, match=r"^GuidanceConfig.{,150}$"):
        GuidanceConfig(**settings)
