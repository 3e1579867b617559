"""Small runs that a notebook finds, or trains while its reader waits."""

import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping

from experiment.analysis.runs import Run, load
from experiment.config import ExperimentConfig
from experiment.config_files import load_config
from experiment.training import Workdir, default_workdir
from experiment.training.workdir import CHANGEABLE

_CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
RUNS_VARIABLE = "ATTENTION_LAB_RUNS"
# A notebook shows so many steps and no others.
_STEPS = ("train.num_steps", "train.cooldown_steps")
_MAY_DIFFER = tuple(key for key in CHANGEABLE if key not in _STEPS)


def runs_folder() -> pathlib.Path:
    """Returns where runs lie: the checkout's `runs`, wherever a notebook is opened from.

    $ATTENTION_LAB_RUNS names another folder.
    """
    return pathlib.Path(os.environ.get(RUNS_VARIABLE) or _CHECKOUT / "runs")


def find_or_train(
    config: str,
    *,
    name: str | None = None,
    settings: Mapping[str, object] | None = None,
    say: Callable[[str], None] | None = None,
) -> Run:
    """Returns the finished run of a config such as "configs/variants.py:rotary".

    It is trained if it is not there, by `train.py`, which goes on with one that is half done.
    `settings`, as {"train.num_steps": 300}, need a `name` of their own for the folder under
    `runs_folder()`; without them it is the one that `train.py` and `sweep.py` would choose. `say`
    is given the lines of its progress; by default they are printed over each other.

    Raises:
      ValueError: if there are settings and no name, the run that is there has other settings, or
        what `train.py` says it was given wrongly.
    """
    if settings and name is None:
        raise ValueError(
            f"A run of {config} with other settings must have a name; its own is that of the run "
            "without them."
        )
    folder = runs_folder() / (name or default_workdir(config).relative_to("runs"))
    overrides = [f"--config.{key}={value}" for key, value in (settings or {}).items()]
    wanted = load_config(str(_CHECKOUT / config), overrides)
    _check_same(Workdir(folder), wanted)
    if Workdir(folder).results_after(wanted.train.num_steps) is None:
        _train(config, folder, overrides, say or _over_the_last)
    return load(folder)


def _check_same(workdir: Workdir, wanted: ExperimentConfig) -> None:
    if not workdir.config.exists():
        return
    if difference := workdir.difference(wanted.resolved(), _MAY_DIFFER):
        key, stored, now = difference
        raise ValueError(
            f"The run in {workdir.path} must be of the settings asked for; it was trained with "
            f"{key}={stored}, and now that is {now}. Give the run another name, or delete the "
            "folder."
        )


def _train(
    config: str, folder: pathlib.Path, overrides: list[str], say: Callable[[str], None]
) -> None:
    command = [sys.executable, str(_CHECKOUT / "train.py"), f"--config={_CHECKOUT / config}"]
    command += [*overrides, f"--workdir={folder}"]
    last = ""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as training:
        assert training.stderr is not None
        for line in training.stderr:
            last = line.strip() or last
            say(last)
    if training.returncode:
        raise ValueError(f"{folder} could not be trained. {last}")
    say(f"{folder.name}: trained.")


def _over_the_last(line: str) -> None:
    print(f"\r{line:<110.110}", end="", flush=True)
