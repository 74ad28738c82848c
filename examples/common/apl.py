"""TD3 with an adaptive constraint as in APL, for apl_sb3.py."""

from __future__ import annotations

import torch
from stable_baselines3 import TD3
from stable_baselines3.common.utils import polyak_update
from torch.nn.functional import mse_loss


class AdaptiveTD3(TD3):
    """TD3 whose actor clones the actions of offline-like rows."""

    alpha = 2.5

    def train(self, gradient_steps: int, batch_size: int = 100) -> None:
        """Makes gradient steps; the constraint is in the actor's loss. SB3 calls it."""
        for _ in range(gradient_steps):
            self._n_updates += 1
            batch = self.replay_buffer.sample(batch_size, env=self._vec_normalize_env)
            constrained = torch.as_tensor(self.replay_buffer.last_sources % 2, device=self.device)  # lambda
            self._update_critic(batch)
            if self._n_updates % self.policy_delay == 0:
                self._update_actor(batch, constrained)

    def _update_critic(self, batch) -> None:
        with torch.no_grad():
            noise = torch.randn_like(batch.actions) * self.target_policy_noise
            noise = noise.clamp(-self.target_noise_clip, self.target_noise_clip)
            following = (self.actor_target(batch.next_observations) + noise).clamp(-1, 1)
            value = torch.cat(self.critic_target(batch.next_observations, following), dim=1).amin(dim=1, keepdim=True)
            target = batch.rewards + (1 - batch.dones) * self.gamma * value
        loss = sum(mse_loss(q, target) for q in self.critic(batch.observations, batch.actions))
        self.critic.optimizer.zero_grad()
        loss.backward()
        self.critic.optimizer.step()

    def _update_actor(self, batch, constrained) -> None:
        actions = self.actor(batch.observations)
        value = self.critic.q1_forward(batch.observations, actions)
        scale = self.alpha / value.abs().mean().detach()
        cloning = (actions - batch.actions).square().mean(dim=1)
        loss = -scale * value.mean() + (constrained * cloning).mean()
        self.actor.optimizer.zero_grad()
        loss.backward()
        self.actor.optimizer.step()
        polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        polyak_update(self.actor.parameters(), self.actor_target.parameters(), self.tau)
