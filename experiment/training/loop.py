"""The training loop: a batch, a step, then what is due."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np

from experiment.config import TrainConfig
from experiment.data import Batch
from experiment.training.parallel import Placement
from experiment.training.progress import Progress, duration
from experiment.training.start import OpenRun
from experiment.training.state import TrainState, num_params
from experiment.training.stopping import Preempted, StopRequest

MEANS = ("loss", "nll", "gradient_norm")
# Steps handed to the devices before the first of them must be done: enough to keep them busy, few
# enough that a request to stop is answered at once.
STEPS_AHEAD = 2


class _StoppedWhileEvaluating(Exception):
    """Evaluation is given up; it will be done when the run goes on."""


class Loop:
    """Runs the steps of one run, and what goes on around them."""

    def __init__(
        self,
        *,
        step_fn: Callable[..., tuple[TrainState, dict[str, jax.Array]]],
        placement: Placement,
        rng: jax.Array,
        config: TrainConfig,
        evaluate: Callable[..., dict[str, Any]],
        run: OpenRun,
        progress: Progress,
    ) -> None:
        """`step_fn` is compiled by `placement`; `evaluate` scores params that lie on the host.

        Now and then `evaluate` calls its argument `progress` with how much is done, of how much.
        """
        self.config, self.run, self.progress = config, run, progress
        self._step_fn, self._placement, self._rng = step_fn, placement, rng
        self._evaluate_fn = evaluate
        self._state = placement.place_state(run.state)
        self._unfetched: list[dict[str, jax.Array]] = []
        self._compiled: set[tuple[int, ...]] = set()
        self._logged = (run.target_tokens, run.clock.seconds()["training"])

    def run_to_end(self, batches: Iterable[Batch]) -> None:
        """Takes one step a batch, from `run.step` to the configured last one.

        Raises:
          Preempted: when asked to stop; the state is saved.
          FloatingPointError: if the loss is not finite; the checkpoints before are intact.
        """
        self.progress.say(self._headline())
        with StopRequest(self.progress.say) as stop:
            if self.run.step and not self.run.log.has("validation", self.run.step):
                self._evaluate_if_due(stop)  # it was saved and stopped before it was scored
            for batch in batches:
                self._update(batch)
                if self._is_due(self.config.log_every):
                    self._log()
                if self._is_due(self.config.save_every) or stop.asked:
                    self._save()
                self._evaluate_if_due(stop)
        self.run.checkpoints.wait()

    def _is_due(self, every: int) -> bool:
        return self.run.step % every == 0 or self.run.step == self.config.num_steps

    def _evaluate_if_due(self, stop: StopRequest) -> None:
        """Evaluates unless asked to stop; then, or when asked meanwhile, saves and leaves."""

        def progress(done: int, total: int) -> None:
            if stop.asked:
                raise _StoppedWhileEvaluating
            self.progress.update(f"step {self.run.step:,}: translated {done:,} of {total:,}")

        with contextlib.suppress(_StoppedWhileEvaluating):
            if self._is_due(self.config.evaluate_every) and not stop.asked:
                self._evaluate(progress)
        if stop.asked:
            self._save()
            self.run.checkpoints.wait()
            raise Preempted(f"stopped and saved after step {self.run.step:,}")

    def _update(self, batch: Batch) -> None:
        placed = self._placement.place_batch(batch)
        if batch.source.shape in self._compiled:
            self._state, metrics = self._step_fn(self._state, placed, self._rng)
        else:
            jax.block_until_ready(self._state)
            rows, length = batch.source.shape
            self.progress.wait_for(f"compiling the step for batches of {rows} x {length} tokens")
            with self.run.clock.phase("compiling"):
                self._state, metrics = self._step_fn(self._state, placed, self._rng)
                jax.block_until_ready(metrics)
            self._compiled.add(batch.source.shape)
        self._unfetched.append(metrics)
        self.run.step += 1
        jax.block_until_ready(self._unfetched[-1 - STEPS_AHEAD :][0])

    def _fetch_metrics(self) -> None:
        """Waits for the steps taken so far, and keeps what they measured."""
        for metrics in self._placement.fetch(self._unfetched):
            values = {name: float(value) for name, value in metrics.items()}
            self.run.since_log.append(values)
            self.run.target_tokens += int(values["target_tokens"])
        self._unfetched.clear()
        # Before anything is logged or saved: a checkpoint never holds what cannot be trained on.
        if not all(np.isfinite(metrics[name]) for metrics in self.run.since_log for name in MEANS):
            raise FloatingPointError(
                f"The loss or its gradient is not finite within the {len(self.run.since_log)} "
                f"steps up to {self.run.step}. The checkpoints before are intact. Lower "
                "train.learning_rate_scale or raise train.warmup_steps, in another --workdir."
            )

    def _log(self) -> None:
        self._fetch_metrics()
        step, steps = self.run.step, self.run.since_log
        tokens = [metrics["target_tokens"] for metrics in steps]
        means = {
            name: float(np.average([metrics[name] for metrics in steps], weights=tokens))
            for name in MEANS
        }
        clock = self.run.clock.seconds()
        seconds, now = clock["total"], (self.run.target_tokens, clock["training"])
        rate = (now[0] - self._logged[0]) / (now[1] - self._logged[1])
        self._logged = now
        timing = {"target_tokens_per_second": rate, "seconds": seconds}
        self.run.log.write("train", step, {**means, **timing})
        left = (seconds - clock["compiling"]) / step * (self.config.num_steps - step)
        self.progress.update(
            f"step {step:,}/{self.config.num_steps:,}  loss {means['loss']:.3f}  "
            f"nll {means['nll']:.3f}  {rate:,.0f} target tokens/s  "
            f"{duration(seconds)} gone, {duration(left)} left"
        )
        self.run.since_log.clear()

    def _evaluate(self, progress: Callable[[int, int], None]) -> None:
        self._fetch_metrics()
        step = self.run.step
        self.progress.update(f"step {step:,}: evaluating ...")
        with self.run.clock.phase("evaluating"):
            params = self._placement.fetch(self._state.params)
            scores = self._evaluate_fn(params, progress=progress)
        seconds = self.run.clock.seconds()["total"]
        self.run.log.write("validation", step, {**scores, "seconds": seconds})
        shown = [f"{name} {value:.2f}" for name, value in scores.items() if type(value) is float]
        self.progress.say(f"step {step:,}  {duration(seconds)}  validation: {'  '.join(shown)}")

    def _save(self) -> None:
        self._fetch_metrics()
        self.progress.update(f"step {self.run.step:,}: saving ...")
        with self.run.clock.phase("saving"):
            progress = {
                "since_log": list(self.run.since_log),  # it is written while the loop goes on
                "target_tokens": self.run.target_tokens,
                "seconds": self.run.clock.seconds(),
            }
            state = self._placement.fetch(self._state)
            self.run.checkpoints.save(state, {**self.run.record, **progress})

    def _headline(self) -> str:
        begin = f"goes on after step {self.run.step:,}" if self.run.step else "starts"
        return (
            f"{self.run.workdir.path}: {num_params(self.run.state.params):,} parameters on "
            f"{self._placement.description}; {begin}, {self.config.num_steps:,} steps in all"
        )
