"""One run of those a loop trains: what it measures, and where that is written."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiment.training.progress import Progress
from experiment.training.start import OpenRun
from experiment.training.state import TrainState

MEANS = ("loss", "nll", "gradient_norm")


class Diverged(FloatingPointError):
    """What was measured cannot be trained on; `names` are the members it is of."""

    def __init__(self, names: list[str], message: str) -> None:
        super().__init__(message)
        self.names = names


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

    def __post_init__(self) -> None:
        self._logged = (self.run.target_tokens, self.run.clock.seconds()["training"])

    @property
    def name(self) -> str:
        """What it is called beside the others."""
        return self.run.workdir.path.name

    def keep(self, metrics: dict[str, Any]) -> None:
        """Keeps what one step measured until it is logged."""
        values = {name: float(value) for name, value in metrics.items()}
        self.run.since_log.append(values)
        self.run.target_tokens += int(values["target_tokens"])

    def is_finite(self) -> bool:
        """Returns whether every loss and gradient that is kept can be trained on."""
        return all(np.isfinite(metrics[name]) for metrics in self.run.since_log for name in MEANS)

    def log(self) -> dict[str, float]:
        """Writes the means over what is kept, by target token, and the rate; returns them."""
        tokens = [metrics["target_tokens"] for metrics in self.run.since_log]
        line = {
            name: float(np.average([step[name] for step in self.run.since_log], weights=tokens))
            for name in MEANS
        }
        clock = self.run.clock.seconds()
        now = (self.run.target_tokens, clock["training"])
        line["target_tokens_per_second"] = (now[0] - self._logged[0]) / (now[1] - self._logged[1])
        self._logged = now
        self.run.log.write("train", self.run.step, {**line, "seconds": clock["total"]})
        self.run.since_log.clear()
        return line

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
            "seconds": self.run.clock.seconds(),
        }
        self.run.checkpoints.save(state, {**self.run.record, **progress})

    def close(self) -> None:
        """Waits for what is being saved, then lets go of the workdir."""
        self.run.checkpoints.close()
        self.run.log.close()
