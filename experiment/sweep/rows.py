"""The rows of a sweep: experiments that one config file holds, each in a folder of its own."""

import dataclasses
import json
import pathlib
import statistics
from collections.abc import Sequence
from typing import Any

from experiment.config import ExperimentConfig, from_mapping
from experiment.config_files import load_config, published, rows_of
from experiment.evaluation import task_of
from experiment.training import PlannedRun, Workdir, flatten, runs_of
from model.systems import parameter_count

_END_OF_LOG = 4_096  # bytes, more than a line
# Of these the results depend, and a run that is finished may have been finished with others.
_OF_RESULTS = ("decode.", "evaluation.test_split", "evaluation.average", "evaluation.tokenizer")
# Rows that differ in these are translations of different text, or are scored in different ways.
_OF_COMPARISON = (
    *("data.corpus", "data.dir", "data.source_language", "data.target_language"),
    *("evaluation.test_split", "evaluation.tokenizer"),
)


@dataclasses.dataclass(frozen=True)
class Row:
    """One experiment of a sweep, trained with one seed or several."""

    name: str
    config: ExperimentConfig  # with the first seed
    changes: dict[str, Any]  # settings that differ from the sweep's first row
    # Where known: "perplexity", "bleu", "parameters" (millions), and the "pieces" of vocabulary
    # that these parameters imply, where the model is of the published size.
    published: dict[str, float]
    runs: tuple[PlannedRun, ...]  # one a seed

    @property
    def num_params(self) -> int:
        """How many numbers are trained, in closed form, with a vocabulary as large as asked."""
        return self.num_params_with(self.config.data.vocab_size)

    def num_params_with(self, vocab_size: int) -> int:
        """Returns how many numbers would be trained with a vocabulary of so many pieces."""
        return parameter_count(self.config.model.system_config(vocab_size))

    @property
    def cost(self) -> float:
        """What training takes, compared with other rows: tokens times weights, in each pass."""
        return float(self.config.train.num_steps * self.config.train.passes * self.num_params)

    def results(self) -> list[dict[str, Any]]:
        """Returns the results of every seed, or nothing while one of them is not finished."""
        found = [run.results() for run in self.runs]
        return [results for results in found if results] if all(found) else []

    @property
    def step(self) -> int:
        """The last step that was logged, the mean of all seeds; 0 before the first."""
        return int(statistics.fmean(_last_logged(run.workdir.metrics) for run in self.runs))

    @property
    def state(self) -> str:
        """How far the row is, in words."""
        if self.results():
            return "finished"
        return f"at step {self.step:,}" if self.step else "not started"


def load_rows(
    path: str, overrides: Sequence[str], *, folder: pathlib.Path, seeds: int
) -> list[Row]:
    """Returns the rows of a config file, each with its runs in a folder of its name.

    Raises:
      ValueError: in one line, if the file holds no rows, a setting is wrong, rows are not to be
        compared with each other, or a row's folder holds another experiment.
    """
    load_config(path, overrides)
    names = () if ":" in path else rows_of(path)
    if not names:
        raise ValueError(
            f"--config={path} must be a file with several rows, such as configs/table3_small.py."
        )
    Workdir(folder).check_belongs_to({})  # it may be a file
    figures = published(path)
    configs = {name: load_config(f"{path}:{name}", overrides) for name in names}
    base = flatten(configs[names[0]].resolved())
    rows = []
    if (task := task_of(configs[names[0]])).name != "translation":
        raise ValueError(
            f"--config={path} does {task.name.replace('_', ' ')}, and a sweep compares "
            "translations by BLEU. Train its rows with train.py, one by one."
        )
    for name, config in configs.items():
        settings = flatten(config.resolved())
        changes = {key: value for key, value in settings.items() if value != base[key]}
        runs = runs_of(folder / name, config, seeds)
        rows.append(Row(name, config, changes, figures.get(name, {}), tuple(runs)))
        _check_comparable(rows[-1], base, names[0])
        for run in runs:
            _check_results(run)
    return rows


def chosen(rows: Sequence[Row], only: str) -> list[Row]:
    """Returns the rows whose names stand in `only`, such as "A1,A2", and the first; "" is all.

    Every other row is compared with the first, so it belongs to whatever is chosen.

    Raises:
      ValueError: if a name is that of no row.
    """
    names = [name for name in only.split(",") if name]
    for name in names:
        if name not in [row.name for row in rows]:
            there = ", ".join(row.name for row in rows)
            raise ValueError(f"--rows={name} is no row of the config. It has {there}.")
    return [row for row in rows if not names or row.name in (rows[0].name, *names)]


def _check_comparable(row: Row, base: dict[str, Any], first: str) -> None:
    for key in _OF_COMPARISON:
        if key in row.changes:
            raise ValueError(
                f"Row {row.name} has {key}={row.changes[key]}, and row {first} has {base[key]}: "
                "rows are compared on the same text. Put it into a config file of its own."
            )


def _check_results(run: PlannedRun) -> None:
    if not run.results():
        return
    # A run from before there was a setting has its default.
    there: ExperimentConfig = from_mapping(ExperimentConfig, run.workdir.read_config())
    wanted, found = flatten(run.config.resolved()), flatten(there.resolved())
    decisive = (*_OF_RESULTS, "train.num_steps", "train.cooldown_steps")
    for key in sorted(wanted):
        if key.startswith(decisive) and wanted[key] != found.get(key):
            raise ValueError(
                f"{run.workdir.path} is finished with {key}={found.get(key)}, this sweep has "
                f"{wanted[key]}. Choose another --workdir, or score it with evaluate.py."
            )


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
