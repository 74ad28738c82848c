"""Training of the denoiser: one loop that never waits for the device between evaluations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from synth_replay.diffusion.config import TrainingConfig
from synth_replay.diffusion.preconditioning import Denoiser
from synth_replay.errors import FitDivergedError

EVALUATION_SEED = 20_230_311
HOLDOUT_ROWS = 4096
HOLDOUT_DRAWS = 4


class DenoiserTrainer:
    """AdamW with a cosine schedule, clipping, a weight average and a held-out loss.

    Args:
        denoiser: The model; its network is trained in place.
        rows: Training rows ``[N, D]``, on the network's device.
        conditions: ``[N, C]`` or None.
        holdout: Rows and conditions of the held-out loss, or None.
        pool: Row numbers to draw batches from, ``[P]``; a repeated number is drawn more often.
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
        self.average = [p.detach().clone() for p in self.parameters]
        self.best = [a.clone() for a in self.average]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=config.learning_rate,
            betas=config.betas,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.step = 0
        self.stalled = 0
        self.best_loss = math.inf
        self.history: list[dict[str, float]] = []
        self._running = torch.zeros((), device=rows.device)

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or the held-out loss has stopped improving."""
        patience = self.config.patience
        return self.step >= self.config.steps or (patience is not None and self.stalled >= patience)

    def run(self) -> Iterator[dict[str, float]]:
        """Trains until finished, yielding the newest entry of ``history`` at each evaluation.

        Raises:
            FitDivergedError: If the training or held-out loss is not finite.
        """
        while not self.finished:
            count = min(self.config.eval_every, self.config.steps - self.step)
            self._train(count)
            yield self._evaluate(count)
        self._load(self.best)

    def _train(self, count: int) -> None:
        config, pool = self.config, self.pool
        draws = torch.randint(len(pool), (count, self.batch_size), generator=self.rng, device=self.rows.device)
        for draw in draws:
            index = pool[draw]
            condition = None if self.conditions is None else self.conditions[index]
            loss = self.denoiser.loss(self.rows[index], condition, self.rng)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.parameters, config.clip_norm, foreach=True)
            for group in self.optimizer.param_groups:
                group["lr"] = 0.5 * config.learning_rate * (1 + math.cos(math.pi * self.step / config.steps))
            self.optimizer.step()
            self._running += loss.detach()
            self.step += 1
            if self.step % config.ema_every == 0:
                self._update_average()

    def _update_average(self) -> None:
        updates = self.step // self.config.ema_every
        decay = min(self.config.ema_decay, (1 + updates) / (10 + updates))
        torch._foreach_lerp_(self.average, [p.detach() for p in self.parameters], 1 - decay)

    def _evaluate(self, count: int) -> dict[str, float]:
        train = self._running.item() / count
        self._running.zero_()
        held_out = self._holdout_loss()
        if not (math.isfinite(train) and math.isfinite(held_out)):
            raise FitDivergedError(
                f"The denoising loss became {train} after {self.step} steps. Lower training.learning_rate, "
                "or look for extreme values in the data; the last good generator is kept."
            )
        if held_out < self.best_loss:
            self.best_loss, self.stalled = held_out, 0
            torch._foreach_copy_(self.best, self.average)
        else:
            self.stalled += 1
        if self.config.patience is None:  # without early stopping the last average is the model
            torch._foreach_copy_(self.best, self.average)
        self.history.append({"step": self.step, "loss": train, "holdout_loss": held_out})
        return self.history[-1]

    @torch.no_grad()
    def _holdout_loss(self) -> float:
        """Loss of the averaged weights on the held-out rows, with the same noise every time."""
        if self.holdout is None:
            return 0.0
        rows, conditions = self.holdout
        rng = torch.Generator(device=rows.device).manual_seed(EVALUATION_SEED)
        current = [p.detach().clone() for p in self.parameters]
        self._load(self.average)
        losses = [self.denoiser.loss(rows, conditions, rng) for _ in range(HOLDOUT_DRAWS)]
        self._load(current)
        return float(torch.stack(losses).mean())

    @torch.no_grad()
    def _load(self, values: list[Tensor]) -> None:
        torch._foreach_copy_(list[Tensor](self.parameters), values)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything needed to go on exactly: tensors, and JSON values."""
        tensors = {"rng": self.rng.get_state()}
        optimizer = self.optimizer.state_dict()["state"]
        for i, parameter in enumerate(self.parameters):
            tensors |= {f"parameter.{i}": parameter.detach(), f"average.{i}": self.average[i]}
            tensors[f"best.{i}"] = self.best[i]
            tensors |= {f"optimizer.{i}.{key}": value for key, value in optimizer.get(i, {}).items()}
        meta = {"step": self.step, "stalled": self.stalled, "history": self.history}
        return tensors, meta | {"best_loss": repr(self.best_loss)}

    def restore(self, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
        """Goes back to a state of :meth:`state`."""
        self.rng.set_state(tensors["rng"].cpu())
        count = range(len(self.parameters))
        self._load([tensors[f"parameter.{i}"] for i in count])
        torch._foreach_copy_(self.average, [tensors[f"average.{i}"] for i in count])
        torch._foreach_copy_(self.best, [tensors[f"best.{i}"] for i in count])
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.step, self.stalled, self.history = meta["step"], meta["stalled"], list(meta["history"])
        self.best_loss = float(meta["best_loss"])


EvaluationCallback = Callable[[dict[str, float]], None]
