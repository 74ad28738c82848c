import math

import numpy as np
import pytest
import torch

from synth_replay.diffusion import Denoiser, DenoiserTrainer, ResidualMLP, sample
from synth_replay.diffusion.config import NetworkConfig, NoiseConfig, SamplerConfig, TrainingConfig
from synth_replay.diffusion.schedules import karras_sigmas, training_sigmas
from synth_replay.errors import ConfigError, FitDivergedError

SMALL = NetworkConfig(width=16, depth=2, embedding_dim=8)
MEAN, STD = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.5])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def gaussian_denoiser(x, sigma):
    """The exact denoiser of N(MEAN, STD^2): the posterior mean."""
    return (STD**2 * x + sigma**2 * MEAN) / (STD**2 + sigma**2)


def make_denoiser(dim=3, conditions=2):
    torch.manual_seed(0)
    return Denoiser(ResidualMLP(dim, conditions, SMALL), NoiseConfig())


@pytest.mark.parametrize(("name", "tolerance"), [("heun_ode", 0.03), ("dpmpp_2m", 0.03)])
def test_deterministic_samplers_follow_the_exact_flow_of_a_gaussian(name, tolerance):
    config = SamplerConfig(name=name, steps=64)
    made = sample(gaussian_denoiser, (1000, 2), config, generator())
    start = torch.randn((1000, 2), generator=generator()) * config.sigma_max
    exact = MEAN + STD * (start - MEAN) / (STD**2 + config.sigma_max**2).sqrt()
    assert (made - exact).abs().max() < tolerance


def test_stochastic_heun_ends_in_the_data_distribution():
    made = sample(gaussian_denoiser, (20_000, 2), SamplerConfig(), generator())
    torch.testing.assert_close(made.mean(0), MEAN, atol=0.03, rtol=0)
    torch.testing.assert_close(made.std(0), STD, atol=0.03, rtol=0.02)


def test_solver_error_falls_with_more_steps_at_second_order():
    def error(steps):
        config = SamplerConfig(name="dpmpp_2m", steps=steps)
        start = torch.randn((200, 2), generator=generator()) * config.sigma_max
        exact = MEAN + STD * (start - MEAN) / (STD**2 + config.sigma_max**2).sqrt()
        return (sample(gaussian_denoiser, (200, 2), config, generator()) - exact).abs().mean()

    assert error(40) < error(20) / 2.5


@pytest.mark.parametrize("name", ["heun_sde", "heun_ode", "dpmpp_2m"])
def test_evaluations_are_counted_as_stated(name):
    calls = []

    def counting(x, sigma):
        calls.append(sigma)
        return gaussian_denoiser(x, sigma)

    config = SamplerConfig(name=name, steps=16)
    sample(counting, (2, 2), config, generator())
    assert len(calls) == config.evaluations
    assert all(isinstance(sigma, float) for sigma in calls)


def test_paper_sampler_has_255_evaluations_and_its_schedule_is_eq_5():
    config = SamplerConfig()
    assert config.evaluations == 255
    sigmas = karras_sigmas(config)
    i = np.arange(128) / 127
    expected = (80 ** (1 / 7) + i * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    np.testing.assert_allclose(sigmas[:-1], expected)
    assert sigmas[-1] == 0


def test_training_noise_levels_are_log_normal():
    logs = training_sigmas(50_000, NoiseConfig(), generator()).log()
    assert logs.mean().item() == pytest.approx(-1.2, abs=0.02)
    assert logs.std().item() == pytest.approx(1.2, abs=0.02)


@pytest.mark.parametrize("columns", [None, [0.5, 0.25, 2.25]])
def test_loss_equals_edm_weighted_denoising_error(columns):
    denoiser = make_denoiser(conditions=0)
    denoiser.weights = None if columns is None else torch.tensor(columns)
    rows = torch.randn(64, 3, generator=generator(5))
    loss = denoiser.loss(rows, None, generator(1))
    rng = generator(1)
    sigma = training_sigmas(64, NoiseConfig(), rng)
    noisy = rows + sigma * torch.randn(rows.shape, generator=rng)
    c_skip, c_out = 1 / (sigma**2 + 1), sigma / (sigma**2 + 1).sqrt()
    raw = denoiser.network(noisy / (sigma**2 + 1).sqrt(), sigma.log().squeeze(1) / 4, None)
    weight = (sigma**2 + 1) / sigma**2
    errors = weight * (c_skip * noisy + c_out * raw - rows) ** 2
    expected = (errors * torch.tensor(columns or [1.0, 1.0, 1.0])).mean()
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("conditions", [0, 2])
@pytest.mark.parametrize("sigma", [0.002, 0.5, 80.0])
def test_folded_sampling_pass_equals_the_training_pass(conditions, sigma):
    denoiser = make_denoiser(conditions=conditions)
    x = torch.randn(7, 3, generator=generator()) * sigma
    condition = torch.eye(2)[torch.arange(7) % 2] if conditions else None
    with torch.no_grad():
        folded = denoiser.for_sampling(condition)(x, sigma)
        c_noise = torch.full((7,), math.log(sigma) / 4)
        raw = denoiser.network(x / math.sqrt(sigma**2 + 1), c_noise, condition)
    expected = x / (sigma**2 + 1) + raw * sigma / math.sqrt(sigma**2 + 1)
    torch.testing.assert_close(folded, expected, rtol=1e-4, atol=1e-5)


def test_paper_network_has_the_published_number_of_parameters():
    network = ResidualMLP(42, 0, NetworkConfig())
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(6.5e6, rel=0.02)


def make_trainer(config, rows=None, seed=0):
    denoiser = make_denoiser(conditions=0)
    rows = torch.randn(400, 3, generator=generator(9)) if rows is None else rows
    return DenoiserTrainer(denoiser, rows[:300], None, (rows[300:], None), torch.arange(300), config, generator(seed))


def run(trainer, stop_after=None):
    for i, _ in enumerate(trainer.run()):
        if stop_after is not None and i + 1 == stop_after:
            return trainer
    return trainer


CONFIG = TrainingConfig(steps=40, batch_size=32, eval_every=10, learning_rate=1e-3, patience=3)


def test_training_resumed_from_a_checkpoint_equals_training_without_a_break():
    whole = run(make_trainer(CONFIG))
    halted = run(make_trainer(CONFIG), stop_after=2)
    tensors, meta = halted.state()
    tensors = {name: value.clone() for name, value in tensors.items()}
    resumed = make_trainer(CONFIG, seed=99)
    resumed.restore(tensors, meta)
    run(resumed)
    assert resumed.step == 40 and resumed.history == whole.history
    torch.testing.assert_close(resumed.flat, whole.flat, rtol=0, atol=0)


def test_early_stopping_goes_back_to_the_best_average():
    config = TrainingConfig(steps=5000, batch_size=32, eval_every=10, learning_rate=1e-2, patience=2)
    trainer = make_trainer(config, rows=torch.randn(310, 3, generator=generator(9)))
    run(trainer)
    assert trainer.step < 5000 and trainer.stalled == 2
    assert trainer.best_loss == min(entry["holdout_loss"] for entry in trainer.history)
    torch.testing.assert_close(trainer.flat, trainer.best, rtol=0, atol=0)


def test_without_patience_the_last_average_is_the_model():
    trainer = run(make_trainer(TrainingConfig(steps=30, batch_size=32, eval_every=10)))
    torch.testing.assert_close(trainer.flat, trainer.average, rtol=0, atol=0)


def test_optimisation_equals_torch_adamw_with_clipping_and_a_cosine():
    config = TrainingConfig(steps=12, batch_size=32, eval_every=12, learning_rate=1e-2)
    ours = make_trainer(config)
    naive = make_denoiser(conditions=0)
    rng = generator()
    rows = ours.rows
    optimizer = torch.optim.AdamW(naive.network.parameters(), lr=1e-2, betas=(0.9, 0.99), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
    ours._train(12, lambda _: None)
    for draw in torch.randint(300, (12, 32), generator=rng):
        optimizer.zero_grad()
        naive.loss(rows[draw], None, rng).backward()
        torch.nn.utils.clip_grad_norm_(naive.network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    expected = torch.cat([p.detach().reshape(-1) for p in naive.network.parameters()])
    torch.testing.assert_close(ours.flat.detach(), expected, rtol=1e-3, atol=1e-5)


def test_a_diverging_fit_is_reported():
    with pytest.raises(FitDivergedError, match="learning_rate"):
        run(make_trainer(CONFIG, rows=torch.full((400, 3), 1e30)))


def test_large_data_sets_use_the_large_batch():
    config = TrainingConfig(large_data_rows=300, batch_size=32, large_batch_size=64)
    assert make_trainer(config).batch_size == 64


@pytest.mark.parametrize(
    "make",
    [
        lambda: SamplerConfig(name="euler"),
        lambda: SamplerConfig(steps=1),
        lambda: SamplerConfig(sigma_min=1.0, sigma_max=0.5),
        lambda: TrainingConfig(steps=0),
        lambda: TrainingConfig(patience=0),
        lambda: TrainingConfig(holdout_share=1.0),
        lambda: NetworkConfig(width=0),
        lambda: NoiseConfig(p_std=0),
    ],
)
def test_settings_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigError):
        make()
