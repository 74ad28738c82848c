"""Training of the denoiser in one loop, which waits for the device only at evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypedDict

import torch
from torch import Tensor, nn

from synth_replay.diffusion.config import TrainingConfig
from synth_replay.diffusion.preconditioning import Denoiser
from synth_replay.errors import FitDivergedError

EVALUATION_SEED = 20_230_311


class LossRecord(TypedDict):
    """The losses at one evaluation, as they are saved in JSON.

    Attributes:
        step: Gradient steps done.
        loss: Mean training loss since the last evaluation.
        holdout_loss: Loss of the averaged weights on the held-out rows; 0 without held-out rows.
    """

    step: int
    loss: float
    holdout_loss: float


class TrainerMeta(TypedDict):
    """The JSON values of a trainer's state; the tensors are kept beside them.

    Attributes:
        step: Gradient steps done.
        stalled: Evaluations since the held-out loss last improved.
        history: Losses at each evaluation.
        best_loss: Lowest held-out loss as ``repr`` of a float, since JSON has no infinity.
    """

    step: int
    stalled: int
    history: list[LossRecord]
    best_loss: str


class DenoiserTrainer:
    """A trainer that uses AdamW, a cosine schedule, gradient clipping, a weight average and a held-out loss.

    Args:
        denoiser: Model whose network is trained in place.
        rows: Training rows ``[N, D]``, on the network's device.
        conditions: Conditions ``[N, C]`` of the training rows, or None.
        holdout: Rows and conditions of the held-out loss, or None.
        pool: Row numbers ``[P]`` from which batches are sampled; a number that occurs twice is sampled twice as often.
        config: Optimisation settings.
        rng: Source of batches and noise, on the network's device.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        rows: Tensor,
        conditions: Tensor | None,
        holdout: tuple[Tensor, Tensor | None] | None,
        pool: Tensor,
        config: TrainingConfig,
        rng: torch.Generator,
    ) -> None:
        self.denoiser, self.rows, self.conditions, self.holdout = denoiser, rows, conditions, holdout
        self.pool, self.config, self.rng = pool, config, rng
        self.batch_size = config.large_batch_size if len(rows) >= config.large_data_rows else config.batch_size
        self.parameters = list(denoiser.network.parameters())
        self.flat = _flattened(self.parameters)
        self.average, self.best = self.flat.clone(), self.flat.clone()
        self.optimizer = torch.optim.AdamW(
            [self.flat],
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.step = 0
        self.stalled = 0
        self.best_loss = math.inf
        self.history: list[LossRecord] = []
        self._running = torch.zeros((), device=rows.device)

    @property
    def finished(self) -> bool:
        """Whether all steps are done or the held-out loss has stopped improving."""
        patience = self.config.patience
        return self.step >= self.config.steps or (patience is not None and self.stalled >= patience)

    def run(self, on_step: Callable[[int], object] = lambda _: None) -> Iterator[LossRecord]:
        """Trains until finished and yields the newest record of ``history`` after each evaluation.

        Args:
            on_step: Called with 1 after each gradient step, for a progress bar.

        Raises:
            FitDivergedError: If the training or held-out loss is not finite.
        """
        while not self.finished:
            count = min(self.config.eval_every, self.config.steps - self.step)
            self._train(count, on_step)
            yield self._evaluate(count)
        self._load(self.best)

    def _train(self, count: int, on_step: Callable[[int], object]) -> None:
        config, pool = self.config, self.pool
        grad = self.flat.grad = torch.empty_like(
            self.flat.detach()
        )  # one buffer for all steps: fresh memory pages cost more than the sum
        batches = torch.randint(len(pool), (count, self.batch_size), generator=self.rng, device=self.rows.device)
        for batch in batches:
            index = pool[batch]
            condition = None if self.conditions is None else self.conditions[index]
            loss = self.denoiser.training_loss(self.rows[index], condition, self.rng)
            grads = torch.autograd.grad(loss, self.parameters)
            torch.cat([g.reshape(-1) for g in grads], out=grad)
            grad.mul_((config.clip_norm / (grad.norm() + 1e-6)).clamp_(max=1.0))
            for group in self.optimizer.param_groups:
                group["lr"] = 0.5 * config.learning_rate * (1 + math.cos(math.pi * self.step / config.steps))
            self.optimizer.step()
            self._running += loss.detach()
            self.step += 1
            if self.step % config.ema_every == 0:
                self._update_average()
            on_step(1)

    def _update_average(self) -> None:
        updates = self.step // self.config.ema_every
        decay = min(self.config.ema_decay, (1 + updates) / (10 + updates))
        self.average.lerp_(self.flat.detach(), 1 - decay)

    def _evaluate(self, count: int) -> LossRecord:
        train = self._running.item() / count
        self._running.zero_()
        held_out = self._holdout_loss()
        if not (math.isfinite(train) and math.isfinite(held_out)):
            raise FitDivergedError(
                f"The denoising loss became {train} after {self.step} steps. Lower training.learning_rate, "
                "or look for extreme values in the data; the last good generator is kept."
            )
        if self.holdout is None or held_out < self.best_loss:  # without held-out rows the last average is the best
            self.best_loss, self.stalled = held_out, 0
            self.best.copy_(self.average)
        else:
            self.stalled += 1
        if self.config.patience is None:  # without early stopping the last average is the model
            self.best.copy_(self.average)
        self.history.append({"step": self.step, "loss": train, "holdout_loss": held_out})
        return self.history[-1]

    @torch.no_grad()
    def _holdout_loss(self) -> float:
        """Returns the loss of the averaged weights on the held-out rows, with equal noise at each evaluation."""
        if self.holdout is None:
            return 0.0
        rows, conditions = self.holdout
        rng = torch.Generator(device=rows.device).manual_seed(EVALUATION_SEED)
        current = self.flat.clone()
        self._load(self.average)
        loss = float(self.denoiser.loss(rows, conditions, rng))
        self._load(current)
        return loss

    @torch.no_grad()
    def _load(self, values: Tensor) -> None:
        self.flat.copy_(values)

    def state(self) -> tuple[dict[str, Tensor], TrainerMeta]:
        """Returns everything needed to resume exactly: tensors by name, and JSON values."""
        tensors = {"rng": self.rng.get_state(), "parameters": self.flat.detach()}
        tensors |= {"average": self.average, "best": self.best}
        tensors |= {f"optimizer.{k}": v for k, v in self.optimizer.state_dict()["state"].get(0, {}).items()}
        return tensors, TrainerMeta(
            step=self.step, stalled=self.stalled, history=self.history, best_loss=repr(self.best_loss)
        )

    def restore(self, tensors: dict[str, Tensor], meta: TrainerMeta) -> None:
        """Returns the trainer to a state that :meth:`state` gave."""
        self.rng.set_state(tensors["rng"].cpu())
        self._load(tensors["parameters"].to(self.flat.device))
        self.average.copy_(tensors["average"])
        self.best.copy_(tensors["best"])
        state = {0: {k.removeprefix("optimizer."): v for k, v in tensors.items() if k.startswith("optimizer.")}}
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.stalled, self.history = meta["step"], meta["stalled"], list(meta["history"])
        self.best_loss = float(meta["best_loss"])


def _flattened(parameters: list[nn.Parameter]) -> Tensor:
    """Moves the parameters into one vector and makes them views of it, so that each step is one operation."""
    flat = torch.cat([p.detach().reshape(-1) for p in parameters]).requires_grad_()
    for parameter, part in zip(parameters, torch.split(flat.detach(), [p.numel() for p in parameters]), strict=True):
        parameter.data = part.view_as(parameter)
    return flat
