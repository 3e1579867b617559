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

    def check_finite(self, called: str = "") -> None:
        """Refuses to go on with what cannot be trained on.

        Raises:
          FloatingPointError: if a loss or gradient that is kept is not finite.
        """
        if not all(np.isfinite(metrics[name]) for metrics in self.run.since_log for name in MEANS):
            raise FloatingPointError(
                f"{called}The loss or its gradient is not finite within the "
                f"{len(self.run.since_log)} steps up to {self.run.step}. The checkpoints before "
                "are intact. Lower train.learning_rate_scale or raise train.warmup_steps, in "
                "another --workdir."
            )

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
