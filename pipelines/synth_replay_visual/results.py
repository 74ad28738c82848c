"""Results of an arm, as objects and as JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from synth_replay.checkpoint import write_atomically
from synth_replay.errors import CheckpointError

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class EvaluationSettings:
    """The part of the settings that can change without a new agent or new latents.

    Attributes:
        episodes: Number of episodes in each kind of environment.
        epsilon: Probability of a random action in each step.
    """

    episodes: int
    epsilon: float


@dataclass(frozen=True)
class LatentFidelity:
    """Similarity of generated latent transitions to held-out real ones.

    Attributes:
        marginal: Mean similarity of the columns' distributions, in [0, 1]; 1 means equal.
        correlation: Mean similarity of the columns' correlations, in [0, 1]; 1 means equal.
    """

    marginal: float
    correlation: float


@dataclass(frozen=True)
class Evaluation:
    """Zero-shot performance of an agent.

    Attributes:
        settings: Settings of the evaluation.
        returns: Return of every episode, by kind of environment.
        divergence: Jensen-Shannon divergence in bits between training and test latents, ``[d]``, by kind of test
            environment.
    """

    settings: EvaluationSettings
    returns: Mapping[str, Numbers]
    divergence: Mapping[str, Numbers]


@dataclass(frozen=True)
class ArmResult:
    """Result of one arm of one seed.

    Attributes:
        task: Name of the task.
        arm: Name of the arm, a key of :data:`ARMS`.
        seed: Seed of the arm.
        rows: Number of real transitions.
        encoder: Hash of the frozen encoder.
        fidelity: Fidelity of the generated latents; None in arms without a generator.
        updates: Number of updates of the agent, on pixels and on latents together.
        real_share: Share of real rows in the last batch, in [0, 1].
        evaluation: Zero-shot performance.
    """

    task: str
    arm: str
    seed: int
    rows: int
    encoder: str
    fidelity: LatentFidelity | None
    updates: int
    real_share: float
    evaluation: Evaluation

    def to_dict(self) -> dict[str, Any]:
        """Returns the result in JSON types, with the scores of all parts on one level."""
        return {
            "task": self.task,
            "arm": self.arm,
            "seed": self.seed,
            "rows": self.rows,
            "encoder": self.encoder,
            "evaluation": asdict(self.evaluation.settings),
            **({} if self.fidelity is None else asdict(self.fidelity)),
            "updates": self.updates,
            "real_share": self.real_share,
            "returns": _lists(self.evaluation.returns),
            "divergence": _lists(self.evaluation.divergence),
        }

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> ArmResult:
        """Reads what :meth:`to_dict` returned; further keys are ignored.

        Raises:
            KeyError: If a key is missing.
        """
        names = ("task", "arm", "seed", "rows", "encoder", "updates", "real_share")
        settings = EvaluationSettings(**found["evaluation"])
        return cls(
            **{name: found[name] for name in names},
            fidelity=LatentFidelity(found["marginal"], found["correlation"]) if "marginal" in found else None,
            evaluation=Evaluation(settings, _tuples(found["returns"]), _tuples(found["divergence"])),
        )

    def save(self, path: Path) -> None:
        """Writes the result as JSON; the file is either complete or not there."""
        write_atomically(path, json.dumps(self.to_dict(), indent=1).encode())

    @classmethod
    def load(cls, path: Path) -> ArmResult:
        """Reads a result that :meth:`save` wrote.

        Raises:
            CheckpointError: If the file is not a result of this version.
        """
        try:
            return cls.from_dict(json.loads(path.read_text()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{path} is not a result of this version ({type(error).__name__}: {error}). Delete it, and the arm is "
                "fine-tuned and evaluated again."
            ) from error


def _lists(numbers: Mapping[str, Numbers]) -> dict[str, list[float]]:
    return {name: list(values) for name, values in numbers.items()}


def _tuples(numbers: Mapping[str, list[float]]) -> dict[str, Numbers]:
    return {name: tuple(values) for name, values in numbers.items()}
