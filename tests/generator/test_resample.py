from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest
import torch

from synth_replay import TransitionGenerator
from synth_replay.diffusion import residual
from synth_replay.errors import ConfigError
from synth_replay.generator import GeneratorConfig
from synth_replay.generator.sampling import SamplingOptions, condition_tensor
from tests.conftest import TINY, rollout


def fitted(env_id, share):
    env = gym.make(env_id)
    config = replace(TINY, training=replace(TINY.training, steps=200), resample_share=share)
    return TransitionGenerator(env.observation_space, env.action_space, config, seed=0).fit(rollout(env_id))


def exact_denoiser(x, sigma):
    """Of rows from N(0, 1): the posterior mean."""
    return x / (1 + sigma**2)


def test_the_residual_of_a_known_density_is_its_closed_form():
    rows = torch.tensor([[0.0, 0.0], [4.0, 3.0]])
    sigma, shrink = 0.5, 1 / (1 + 0.5**2)
    found = residual(exact_denoiser, rows, torch.Generator().manual_seed(0), sigma=sigma, repeats=20_000)
    expected = (shrink * sigma) ** 2 + (rows * (1 - shrink)).square().mean(dim=1)
    torch.testing.assert_close(found, expected, rtol=0.03, atol=0.0)


def test_resampled_rows_are_more_plausible_and_keep_their_conditions():
    plain, picky = fitted("CartPole-v1", 0.0), fitted("CartPole-v1", 0.3)
    a, b = plain.sample(2000), picky.sample(2000)
    assert np.array_equal(a.actions, b.actions) and a.observations.shape == b.observations.shape
    unchanged = (a.observations == b.observations).all(axis=1).mean()
    assert 0.5 < unchanged < 0.9  # three tenths were resampled; some kept their first sample as the best of three
    model = plain._model
    conditions = model.codec.conditions.encode(*model.sample_conditions(2000, None, np.random.default_rng(0)))
    scores = []
    for share in (0.0, 0.3):
        options = SamplingOptions.from_config(replace(plain.config, resample_share=share))
        rows = torch.from_numpy(model.sampler(options, torch.Generator().manual_seed(1))._denoise(conditions))
        denoise = model.denoiser.for_sampling(condition_tensor(conditions, torch.device("cpu")))
        with torch.inference_mode():
            scores.append(residual(denoise, rows, torch.Generator().manual_seed(2), repeats=16))
    assert scores[1].mean() < scores[0].mean() and scores[1].max() <= scores[0].max()


def test_no_rows_are_resampled_where_there_are_none():
    assert len(fitted("Pendulum-v1", 0.3).sample(0)) == 0


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ConfigError, match="resample_share"):
        GeneratorConfig(resample_share=share)
