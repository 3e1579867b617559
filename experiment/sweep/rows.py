"""The rows of a sweep: experiments that one config file holds, each in a folder of its own."""

import dataclasses
import json
import pathlib
from collections.abc import Sequence
from typing import Any

from experiment.config import ExperimentConfig, load_config, published, rows_of
from experiment.training import Workdir
from experiment.training.workdir import flatten
from model.transformer import parameter_count

_END_OF_LOG = 4_096  # bytes, more than a line


@dataclasses.dataclass(frozen=True)
class Row:
    """One experiment of a sweep, trained with one seed or several."""

    name: str
    config: ExperimentConfig  # with the first seed
    changes: dict[str, Any]  # settings that differ from the sweep's first row
    # Where known: "perplexity", "bleu", "parameters" (millions), and the "pieces" of vocabulary
    # that these parameters imply, where the model is of the published size.
    published: dict[str, float]
    workdirs: tuple[Workdir, ...]  # one a seed

    @property
    def num_params(self) -> int:
        """How many numbers are trained, in closed form, with a vocabulary as large as asked."""
        return self.num_params_with(self.config.data.vocab_size)

    def num_params_with(self, vocab_size: int) -> int:
        """Returns how many numbers would be trained with a vocabulary of so many pieces."""
        return parameter_count(self.config.model.transformer(vocab_size))

    @property
    def cost(self) -> float:
        """What training takes, compared with other rows: tokens times weights."""
        return float(self.config.train.num_steps * self.num_params)

    def results(self) -> list[dict[str, Any]]:
        """Returns the results of every seed, or nothing while one of them is not finished."""
        found = [w.results_after(self.config.train.num_steps) for w in self.workdirs]
        return [results for results in found if results] if all(found) else []

    @property
    def step(self) -> int:
        """The last step that was logged, the least of all seeds; 0 before the first."""
        return min(_last_logged(workdir.metrics) for workdir in self.workdirs)

    @property
    def state(self) -> str:
        """How far the row is, in words."""
        if self.results():
            return "finished"
        return f"at step {self.step:,}" if self.step else "not started"


def load_rows(
    path: str, overrides: Sequence[str], *, only: Sequence[str], folder: pathlib.Path, seeds: int
) -> list[Row]:
    """Returns the rows of a config file, those named in `only` if any are; the first one always.

    Every other row is compared with the first, so it belongs to whatever is chosen.

    Raises:
      ValueError: in one line, if the file holds no rows or none of a name, a setting is wrong, or
        a row's folder holds another experiment.
    """
    load_config(path, overrides)
    names = () if ":" in path else rows_of(path)
    if not names:
        raise ValueError(
            f"--config={path} must be a file with several rows, such as configs/table3_small.py."
        )
    for name in only:
        if name not in names:
            raise ValueError(f"--rows={name} is not in {path}. It has {', '.join(names)}.")
    chosen = [name for name in names if not only or name in (names[0], *only)]
    base = flatten(load_config(f"{path}:{names[0]}", overrides).resolved())
    rows = [
        _row(path, name, overrides, base, published(path).get(name, {}), folder / name, seeds)
        for name in chosen
    ]
    for row in rows:
        for workdir, seed in zip(row.workdirs, _seeds(row.config, seeds), strict=True):
            workdir.check_belongs_to({**row.config.resolved(), "seed": seed})
    return rows


def _row(
    path: str,
    name: str,
    overrides: Sequence[str],
    base: dict[str, Any],
    figures: dict[str, float],
    folder: pathlib.Path,
    seeds: int,
) -> Row:
    config = load_config(f"{path}:{name}", overrides)
    changes = {
        key: value for key, value in flatten(config.resolved()).items() if value != base[key]
    }
    folders = [folder / f"seed_{seed}" for seed in _seeds(config, seeds)] if seeds > 1 else [folder]
    return Row(name, config, changes, figures, tuple(Workdir(path) for path in folders))


def _seeds(config: ExperimentConfig, seeds: int) -> range:
    return range(config.seed, config.seed + seeds)


def _last_logged(metrics: pathlib.Path) -> int:
    try:
        with metrics.open("rb") as file:
            file.seek(max(0, metrics.stat().st_size - _END_OF_LOG))
            lines = file.read().split(b"\n")
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            continue  # cut off: it is being written, or reading began in its middle
    return 0
