"""SB3's policies with layer norm and dropout in the critics, for high update ratios.

``SAC(LayerNormSACPolicy, env)`` and ``SAC(DroQSACPolicy, env)`` change one argument of a script.
"""

from __future__ import annotations

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy
from torch import nn

from synth_replay.errors import ConfigError

__all__ = ["DroQSACPolicy", "DroQTD3Policy", "LayerNormSACPolicy", "LayerNormTD3Policy", "RegularizedCritic"]

DROQ_DROPOUT = 0.01


class RegularizedCritic(ContinuousCritic):
    """SB3's critics with dropout and layer norm between each hidden layer and its activation.

    The order is DroQ's (Hiraoka et al., 2022, arXiv 2110.02034): linear layer, dropout, layer norm, activation.

    Args:
        *args: Arguments of SB3's ``ContinuousCritic``.
        layer_norm: Whether each hidden layer is followed by layer norm.
        dropout: Probability in [0, 1) that a hidden unit is dropped in training.
        **kwargs: Keyword arguments of ``ContinuousCritic``.
    """

    def __init__(self, *args: Any, layer_norm: bool = True, dropout: float = 0.0, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.q_networks = [_regularized(network, layer_norm, dropout) for network in self.q_networks]
        for number, network in enumerate(self.q_networks):
            self.add_module(f"qf{number}", network)


def _regularized(network: nn.Module, layer_norm: bool, dropout: float) -> nn.Sequential:
    """Returns the network with further modules after each hidden linear layer; its weights stay."""
    *hidden, output = network.children()
    layers: list[nn.Module] = []
    for layer in hidden:
        layers.append(layer)
        if isinstance(layer, nn.Linear):
            layers += [nn.Dropout(dropout)] if dropout else []
            layers += [nn.LayerNorm(layer.out_features)] if layer_norm else []
    return nn.Sequential(*layers, output)


class _Regularized:
    """A mixin that makes regularised critics and keeps their options in saved policies."""

    def __init__(self, *args: Any, critic_layer_norm: bool = True, critic_dropout: float = 0.0, **kwargs: Any) -> None:
        if not 0.0 <= critic_dropout < 1.0:
            raise ConfigError(f"critic_dropout is a probability in [0, 1); got {critic_dropout!r}.")
        if isinstance(args[0] if args else kwargs.get("observation_space"), spaces.Dict):
            kwargs.setdefault("features_extractor_class", CombinedExtractor)
        self.critic_options = {"layer_norm": bool(critic_layer_norm), "dropout": float(critic_dropout)}
        super().__init__(*args, **kwargs)

    def make_critic(self: Any, features_extractor: BaseFeaturesExtractor | None = None) -> ContinuousCritic:
        """Makes the critics, or their targets; called by SB3."""
        kwargs = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return RegularizedCritic(**kwargs, **self.critic_options).to(self.device)

    def set_training_mode(self: Any, mode: bool) -> None:
        """Switches dropout on or off, also in the targets, as DroQ's Algorithm 2 has it; called by SB3."""
        super().set_training_mode(mode)  # type: ignore[misc]
        for part in self.critic_target.modules():
            if isinstance(part, nn.Dropout):
                part.train(mode)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        options = {f"critic_{name}": value for name, value in self.critic_options.items()}
        return super()._get_constructor_parameters() | options  # type: ignore[misc, no-any-return]


class LayerNormSACPolicy(_Regularized, SACPolicy):
    """SAC's policy with layer norm in the critics: ``SAC(LayerNormSACPolicy, env)``. The actor is SB3's.

    Args:
        *args: Arguments of SB3's ``SACPolicy``.
        critic_layer_norm: Whether each hidden layer of the critics is followed by layer norm.
        critic_dropout: Probability in [0, 1) that a hidden unit of a critic is dropped in training.
        **kwargs: Keyword arguments of ``SACPolicy``.

    Raises:
        ConfigError: If ``critic_dropout`` is not in [0, 1).
    """


class LayerNormTD3Policy(_Regularized, TD3Policy):
    """The policy of TD3 and DDPG with layer norm in the critics, with the options of :class:`LayerNormSACPolicy`."""


class DroQSACPolicy(LayerNormSACPolicy):
    """SAC's policy with dropout and layer norm in the critics, as in DroQ (arXiv 2110.02034).

    DroQ also trains the actor on the mean of the critics, where SB3's SAC takes their minimum, and makes 20 critic
    updates for one of the actor: ``gradient_steps=20`` with :class:`~synth_replay_sb3.PolicyDelay` of 20.

    Args:
        *args: Arguments of SB3's ``SACPolicy``.
        critic_dropout: Probability in [0, 1) that a hidden unit of a critic is dropped in training. The paper takes
            0.0001 to 0.1, by task.
        **kwargs: Keyword arguments of :class:`LayerNormSACPolicy`.
    """

    def __init__(self, *args: Any, critic_dropout: float = DROQ_DROPOUT, **kwargs: Any) -> None:
        super().__init__(*args, critic_dropout=critic_dropout, **kwargs)


class DroQTD3Policy(LayerNormTD3Policy):
    """The policy of TD3 and DDPG with DroQ's critics, with the options of :class:`DroQSACPolicy`."""

    def __init__(self, *args: Any, critic_dropout: float = DROQ_DROPOUT, **kwargs: Any) -> None:
        super().__init__(*args, critic_dropout=critic_dropout, **kwargs)
