"""The folder of one run: what lies where in it, and whose it is."""

import json
import math
import os
import pathlib
from collections.abc import Iterable
from typing import Any

from experiment.config import ExperimentConfig, from_mapping
from experiment.data import write_file
from experiment.training.checkpoint.checkpoints import folders

# What may change between two starts of a run: nothing computed so far depends on it. Where the
# rate is cooled down, `_check_cooldown` looks at the steps.
CHANGEABLE = (
    "mesh.",
    "model.remat",
    "model.scan_layers",
    "data.dir",
    "train.num_steps",
    "train.cooldown_steps",
    "train.log_every",
    "train.evaluate_every",
    "train.save_every",
    "train.keep_checkpoints",
    "train.keep_every",
    "train.keep_best",
    "train.max_skipped_in_a_row",
    "decode.",
    "evaluation.",
)


class Workdir:
    """Paths in a run's folder. Creating one creates nothing on disk."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path.expanduser().absolute()
        self.config = self.path / "config.json"
        self.vocabulary = self.path / "vocabulary.model"
        self.checkpoints = self.path / "checkpoints"
        self.metrics = self.path / "metrics.jsonl"
        self.translations = self.path / "translations.txt"  # of the test split, in its order
        self.results = self.path / "results.json"
        self.origin = self.path / "finetuned_from.json"  # only of a run with parameters of another

    def check_belongs_to(self, resolved: dict[str, Any]) -> None:
        """Refuses to go on with a config that would make another run of it.

        Raises:
          ValueError: naming the first key that differs, with both values.
        """
        there = next(path for path in (self.path, *self.path.parents) if path.exists())
        if not there.is_dir():
            raise ValueError(
                f"--workdir={self.path} must be a folder; {there} is a file. Name another."
            )
        if not os.access(there, os.W_OK | os.X_OK):
            raise ValueError(f"--workdir={self.path}: {there} cannot be written to. Name another.")
        if self.config.exists() and (difference := self.difference(resolved)):
            key, stored, now = difference
            raise ValueError(
                f"{self.path} was trained with {key}={stored}, this config has {now}. Choose "
                "another --workdir."
            )
        if self.config.exists():
            self._check_cooldown(resolved["train"])

    def _check_cooldown(self, now: dict[str, Any]) -> None:
        """Refuses another cooldown where a step was taken in either."""
        stored = from_mapping(ExperimentConfig, read_json(self.config)).resolved()["train"]
        if all(stored[key] == now[key] for key in ("num_steps", "cooldown_steps")):
            return
        newest = max(folders(self.checkpoints), default=0)
        if newest > min(_cools_from(stored), _cools_from(now)):
            raise ValueError(
                f"{self.path} is at step {newest}, and its learning rate {_cooldown(stored)}; with "
                f"this config it {_cooldown(now)}. Choose another --workdir."
            )

    def difference(
        self, resolved: dict[str, Any], changeable: tuple[str, ...] = CHANGEABLE
    ) -> tuple[str, Any, Any] | None:
        """Returns the first key that differs from the config that is here, with both values.

        Keys that begin with one of `changeable` may differ.
        """
        stored = flatten(from_mapping(ExperimentConfig, read_json(self.config)).resolved())
        now = flatten(resolved)
        for key in sorted(stored.keys() | now.keys()):
            if not key.startswith(changeable) and stored.get(key) != now.get(key):
                return key, stored.get(key), now.get(key)
        return None

    def write_config(self, resolved: dict[str, Any]) -> None:
        """Creates the folder, with the resolved config in it."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(self.config, resolved)

    def read_config(self) -> dict[str, Any]:
        """Returns the resolved config of the run that is here.

        Raises:
          ValueError: if there is none.
        """
        if not self.config.exists():
            raise ValueError(
                f"{self.path} holds no run (no config.json). Train one with "
                f"`python train.py --workdir={self.path}`, or name another --workdir."
            )
        return read_json(self.config)

    def results_after(self, num_steps: int) -> dict[str, Any] | None:
        """Returns the results of the run if it has finished `num_steps` or more, else None."""
        if not self.results.exists():
            return None
        results = read_json(self.results)
        return results if results.get("step", -1) >= num_steps else None


def _cools_from(train: dict[str, Any]) -> float:
    """Returns after how many steps the rate falls, beside that of equation 3; or infinity."""
    steps, cooldown = train["num_steps"], train["cooldown_steps"]
    return float(steps - cooldown) if cooldown else math.inf


def _cooldown(train: dict[str, Any]) -> str:
    if not train["cooldown_steps"]:
        return "is never cooled down"
    return f"cools down from step {_cools_from(train):.0f} to {train['num_steps']}"


def default_workdir(config: str) -> pathlib.Path:
    """Returns where a run of a config file lies unless one is named: where a sweep would put it.

    Example:
      >>> str(default_workdir("configs/numbers.py")), str(default_workdir("configs/table3.py:B1"))
      ('runs/numbers', 'runs/table3/B1')
    """
    file, _, row = config.partition(".py:")
    return pathlib.Path("runs") / pathlib.Path(file).stem / row


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Returns what a JSON file holds.

    Raises:
      ValueError: naming the file, if it is no JSON object.
    """
    try:
        content: Any = json.loads(path.read_text())
    except ValueError as error:
        content = error
    if not isinstance(content, dict):
        raise ValueError(f"{path} is not a JSON object any more. Choose another --workdir.")
    return content


def write_json(path: pathlib.Path, content: Any) -> None:
    """Writes a file that is either whole or not there."""
    _replace(path, json.dumps(content, indent=2) + "\n")


def write_lines(path: pathlib.Path, lines: Iterable[str]) -> None:
    """Writes a text file, UTF-8, that is either whole or not there."""
    _replace(path, "".join(f"{line}\n" for line in lines))


def _replace(path: pathlib.Path, text: str) -> None:
    write_file(path, text.encode("utf-8"))


def flatten(nested: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns {"a.b": value} of {"a": {"b": value}}; tuples and lists are alike."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat
