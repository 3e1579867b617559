"""Metrics on disk: `metrics.jsonl` and TensorBoard events, one line a logged step."""

import json
import os
import pathlib
from typing import Any

from tensorboardX import SummaryWriter

from experiment.data import write_file


class MetricsLog:
    """Appends to a run's metrics. Opened at a step, it forgets what was logged after that step."""

    def __init__(self, path: pathlib.Path, *, step: int) -> None:
        """Opens `path` to go on after `step`; TensorBoard events lie in the same folder."""
        lines = _keep_until(path, step)
        self._seen = {(line.get("kind"), line["step"]) for line in lines}
        self._losses = {line["step"]: line["nll"] for line in lines if _is_scored(line)}
        self._file = path.open("a")
        self._events = SummaryWriter(
            str(path.parent / "tensorboard"), purge_step=step + 1 if step else None
        )

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """Logs what was measured after `step` updates; `kind` is "train", "validation", ..."""
        line = {"kind": kind, "step": step, **values}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if _is_scored(line):
            self._losses[step] = line["nll"]
        for name, value in values.items():
            if isinstance(value, int | float):
                self._events.add_scalar(f"{kind}/{name}", value, step)

    def has(self, kind: str, step: int) -> bool:
        """Returns whether there was a line of that kind and step when the log was opened."""
        return (kind, step) in self._seen

    def losses(self) -> dict[int, float]:
        """Returns the validation loss, in nats a token, of every step that was scored so far."""
        return dict(self._losses)

    def sync(self) -> None:
        """Returns when all that was written is where a power cut leaves it."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flushes and closes both."""
        self._file.close()
        self._events.close()


def read_metrics(path: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the logged lines, in order."""
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def _is_scored(line: dict[str, Any]) -> bool:
    return line.get("kind") == "validation" and "nll" in line


def _line(content: Any) -> dict[str, Any]:
    if not (isinstance(content, dict) and isinstance(content.get("step"), int)):
        raise ValueError
    return content


def _keep_until(path: pathlib.Path, step: int) -> list[dict[str, Any]]:
    """Drops what a run logged after the checkpoint that it is resumed from; it will come again.

    Raises:
      ValueError: if a line is damaged that was not being written when the process died.
    """
    if not path.exists():
        return []
    *whole, torn = path.read_text(encoding="utf-8", errors="replace").split("\n")
    lines = []
    for number, line in enumerate(whole, 1):
        try:
            lines.append(_line(json.loads(line)))
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: not a line of metrics any more. Mend it or take it out."
            ) from None
    kept = [line for line in lines if line["step"] <= step]
    if len(kept) < len(lines) or torn:
        write_file(path, "".join(json.dumps(line) + "\n" for line in kept).encode())
    return kept
