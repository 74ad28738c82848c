"""DrQ+BC: what trains the convolutions, how the noise shrinks, and what sharing saves."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from d3rlpy.torch_utility import TorchMiniBatch

from synth_replay_d3rlpy import (
    DrQBCConfig,
    encode_buffer,
    latent_agent,
)
from tests.d3rlpy.pixels.helpers import (
    BOTH,
    QUIET,
    dataset,
    saved,
    trained,
)


def test_drq_trains_its_convolutions_by_the_critic_alone():
    agent = trained("DrQ+BC")
    modules, conv = agent.impl.modules, agent.impl.modules.q_funcs[0]._encoder.features.convolutions
    assert modules.q_funcs[1]._encoder.features is modules.q_funcs[0]._encoder.features
    assert modules.policy._encoder.features.shared is conv
    assert not any("convolutions" in name for name, _ in modules.policy.named_parameters())
    target = modules.targ_q_funcs[0]._encoder.features.convolutions
    assert target is not conv
    batch = dataset().sample_transition_batch(8)
    modules.policy.zero_grad(), modules.q_funcs.zero_grad()
    modules.policy(torch.as_tensor(batch.observations)).squashed_mu.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in conv.parameters())
    assert any(p.grad.any() for p in modules.policy.parameters())


def test_drq_noise_shrinks_linearly():
    agent = DrQBCConfig(**BOTH, noise_steps=10).create("cpu")
    agent.fit(dataset(), n_steps=5, n_steps_per_epoch=5, **QUIET)
    assert agent.impl._target_smoothing_sigma == pytest.approx(1.0 - 0.9 * agent.grad_step / 10, abs=0.1)
    agent.fit(dataset(), n_steps=10, n_steps_per_epoch=10, **QUIET)
    assert agent.impl._target_smoothing_sigma == pytest.approx(0.1)


def test_noise_goes_on_where_the_agent_of_pixels_stopped():
    agent = DrQBCConfig(**BOTH, noise_steps=10).create("cpu")
    agent.fit(dataset(), n_steps=10, n_steps_per_epoch=10, **QUIET)
    path = saved(agent)
    learner = latent_agent(agent, path)
    learner.fit(encode_buffer(dataset(), path), n_steps=1, n_steps_per_epoch=1, **QUIET)
    assert learner.impl._target_smoothing_sigma == pytest.approx(0.1)


def test_the_gradient_passes_an_action_that_is_clipped():
    agent = trained("DrQ+BC")
    action = torch.full((64, 1), 0.999, requires_grad=True)
    noisy = agent.impl._noisy(action)
    noisy.sum().backward()
    assert noisy.max() <= 1 and torch.equal(action.grad, torch.ones(64, 1))


def test_sharing_a_run_of_the_convolutions_changes_no_gradient():
    agent = trained("DrQ+BC", 1)
    modules, batch = (
        agent.impl.modules,
        TorchMiniBatch.from_batch(
            dataset().sample_transition_batch(8), 0.99, compute_returns_to_go=False, device="cpu"
        ),
    )
    grads = []
    for shared in (True, False):
        torch.manual_seed(0)
        modules.critic_optim.zero_grad()
        conv = modules.q_funcs[0]._encoder.features.shared
        with conv.cached(grad=True) if shared else nullcontext():
            target = agent.impl.compute_target(batch)
            agent.impl.compute_critic_loss(batch, target).critic_loss.backward()
        grads.append([p.grad.clone() for p in modules.q_funcs.parameters()])
    for ours, plain in zip(*grads, strict=True):
        slack = 1e-5 * max(1.0, float(plain.abs().max()))  # sums of as many terms, in another order
        np.testing.assert_allclose(ours.numpy(), plain.numpy(), rtol=0, atol=slack)
    assert any(g.abs().max() > 0 for g in grads[0])
