"""One run of those a loop trains: what it measures, and where that is written."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiment.errors import NotFinite
from experiment.training.clock import of_steps
from experiment.training.progress import Progress
from experiment.training.start import OpenRun
from experiment.training.state import TrainState
from experiment.training.throughput import rates

MEANS = ("loss", "nll", "gradient_norm")
_NAMED_PAIRS = 8


class Diverged(NotFinite):
    """Update after update could not be applied; `names` are the members it is of."""

    def __init__(self, names: list[str], message: str) -> None:
        super().__init__(message)
        self.names = names


class _Come(NamedTuple):
    """How far a run has come."""

    step: int
    target_tokens: int
    seconds: float  # of taking steps


@dataclasses.dataclass
class Member:
    """A run, the randomness of its steps, and what scores it.

    `evaluate` scores params that lie on the host; now and then it calls its argument `progress`
    with how much is done, of how much.
    """

    run: OpenRun
    rng: jax.Array
    evaluate: Callable[..., dict[str, Any]]
    progress: Progress
    together: int = 1  # members of its loop, itself among them
    pairs_of: Callable[[int], Sequence[int]] = lambda step: ()  # the training pairs of a batch
    flops_of: Callable[[int], float] | None = None  # what the model needs to train on these
    rate_of: Callable[[int], Any] | None = None  # the learning rate after so many updates
    devices: Sequence[Any] = ()  # all that take its steps; the loop says which

    def __post_init__(self) -> None:
        self._logged = self._come_so_far()

    @property
    def name(self) -> str:
        """What it is called beside the others."""
        return self.run.workdir.path.name

    def keep(self, step: int, metrics: dict[str, Any]) -> None:
        """Keeps what the step measured until it is logged; says if its update was left out."""
        values = {name: float(value) for name, value in metrics.items()}
        self.run.target_tokens += int(values["target_tokens"])
        if values.pop("skipped"):
            self.run.skipped_updates += 1
            self.run.skipped_in_a_row += 1
            pairs = self.pairs_of(step)
            named = ", ".join(f"{pair:,}" for pair in pairs[:_NAMED_PAIRS])
            more = f" and {len(pairs) - _NAMED_PAIRS:,} more" * (len(pairs) > _NAMED_PAIRS)
            self.progress.say(
                f"{self.name}: step {step:,}: the loss or its gradient is not finite; its update "
                f"is left out ({self.run.skipped_in_a_row} in a row). Its batch is the training "
                f"pairs {named}{more}."
            )
        else:
            self.run.skipped_in_a_row = 0
            self.run.since_log.append(values)

    def log(self) -> dict[str, float]:
        """Writes the means over what is kept, by target token, and the rates; returns them.

        There are no means where every update was left out. The rates are over the steps taken since
        the last time, those left out among them: they were computed all the same.
        """
        kept = self.run.since_log
        tokens = [metrics["target_tokens"] for metrics in kept]
        line = {
            name: float(np.average([step[name] for step in kept], weights=tokens))
            for name in MEANS
            if kept
        }
        line["skipped_updates"] = float(self.run.skipped_updates)
        if self.rate_of:
            before = max(0, self.run.step - self.run.skipped_updates - 1)  # the last update
            line["learning_rate"] = float(self.rate_of(before))
        now = self._come_so_far()
        line |= self._rates(self._logged, now)
        self._logged = now
        clock = self.run.clock.seconds()
        seconds = {"seconds": clock.pop("total")}
        seconds |= {f"seconds_{phase}": passed for phase, passed in clock.items()}
        self.run.log.write("train", self.run.step, {**line, **seconds})
        self.run.since_log.clear()
        return line

    def overall_rates(self) -> dict[str, float]:
        """Returns the rates over the whole run, as if it had always had the devices of its end."""
        return self._rates(_Come(0, 0, 0.0), self._come_so_far())

    def _come_so_far(self) -> _Come:
        seconds = of_steps(self.run.clock.seconds())
        return _Come(self.run.step, self.run.target_tokens, seconds)

    def _rates(self, since: _Come, now: _Come) -> dict[str, float]:
        steps, flops_of = range(since.step + 1, now.step + 1), self.flops_of
        flops = (lambda: sum(map(flops_of, steps))) if flops_of else None
        tokens = now.target_tokens - since.target_tokens
        return rates(tokens, now.seconds - since.seconds, self.devices, flops)

    def is_scored(self) -> bool:
        """Returns whether this step was scored before the run was stopped at it."""
        return self.run.log.has("validation", self.run.step)

    def write_scores(self, scores: dict[str, Any]) -> float:
        """Writes what the validation split scored; returns the seconds the run has taken."""
        seconds = self.run.clock.seconds()["total"]
        self.run.log.write("validation", self.run.step, {**scores, "seconds": seconds})
        return seconds

    def save(self, state: TrainState) -> None:
        """Starts to save `state`, which lies on the host, with all that is kept."""
        progress = {
            "since_log": list(self.run.since_log),  # it is written while the loop goes on
            "target_tokens": self.run.target_tokens,
            "skipped_updates": self.run.skipped_updates,
            "skipped_in_a_row": self.run.skipped_in_a_row,
            "seconds": self.run.clock.seconds(),
        }
        self.run.log.sync()
        record = {**self.run.record, **progress}
        self.run.checkpoints.save(state, record, self.run.log.losses())

    def close(self) -> None:
        """Waits for what is being saved, then lets go of the workdir."""
        try:
            with self.progress.waiting("the last checkpoint to be written"):
                self.run.checkpoints.close()
        finally:
            self.run.log.close()
