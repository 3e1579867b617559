"""A run as a process sees it that does not write: it knows the state, and leaves nothing behind."""

from collections.abc import Mapping
from typing import Any

from experiment.data import TrainingData
from experiment.training.clock import Clock
from experiment.training.seeds import PlannedRun
from experiment.training.start import OpenRun
from experiment.training.state import TrainState

# What a process must know of a run to take the same steps as the one that opened it.
_TOLD = ("step", "since_log", "target_tokens", "skipped_updates", "skipped_in_a_row")


class _NoCheckpoints:
    """In place of a CheckpointWriter."""

    def save(self, state: TrainState, record: dict[str, Any], losses: Any = None) -> None:
        """Saves nothing."""

    def check_written(self) -> None:
        """Has nothing to check."""

    def wait(self) -> None:
        """Has nothing to wait for."""

    def close(self) -> None:
        """Has nothing to let go of."""


class _NoLog:
    """In place of a MetricsLog."""

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Writes nothing."""

    def has(self, kind: str, step: int) -> bool:
        """Returns False: who does not evaluate need not know what is evaluated."""
        return False

    def losses(self) -> dict[int, float]:
        """Returns none."""
        return {}

    def sync(self) -> None:
        """Has nothing to sync."""

    def close(self) -> None:
        """Has nothing to close."""


def told_of(run: OpenRun) -> dict[str, Any]:
    """Returns what `followed` needs of an open run besides its state, for JSON."""
    return {name: getattr(run, name) for name in _TOLD}


def followed(
    run: PlannedRun, data: TrainingData, state: TrainState, told: Mapping[str, Any]
) -> OpenRun:
    """Returns the run that another process has opened and told of, with its state."""
    nothing: Any = _NoCheckpoints()
    log: Any = _NoLog()
    return OpenRun(
        workdir=run.workdir,
        state=state,
        record={"fingerprint": data.fingerprint},
        checkpoints=nothing,
        log=log,
        clock=Clock(),
        **told,
    )
