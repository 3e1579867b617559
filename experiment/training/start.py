"""How a run starts: from its own newest checkpoint if there is one, else from scratch."""

import base64
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from experiment.config import ExperimentConfig, TrainConfig
from experiment.data import TrainingData
from experiment.training.checkpoint import Checkpoints, CheckpointWriter, Retention
from experiment.training.clock import Clock
from experiment.training.metrics import MetricsLog
from experiment.training.origin import Origin
from experiment.training.source import commit
from experiment.training.state import TrainState
from experiment.training.workdir import Workdir, write_json


@dataclasses.dataclass
class OpenRun:
    """A run that is ready to go on: its state, and where everything it says is written."""

    workdir: Workdir
    state: TrainState  # numpy arrays on the host
    step: int
    record: dict[str, Any]  # what every checkpoint says of itself
    since_log: list[dict[str, float]]  # metrics of the steps that no logged mean contains yet
    target_tokens: int  # trained on so far
    skipped_updates: int  # left out so far, as they were not finite
    skipped_in_a_row: int  # of these the last ones
    checkpoints: CheckpointWriter
    log: MetricsLog
    clock: Clock


def open_run(
    workdir: Workdir,
    config: ExperimentConfig,
    data: TrainingData,
    init: Callable[[], TrainState],
    *,
    step: int | None = None,
    damaged: Mapping[int, str] | None = None,
    origin: Origin | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> OpenRun:
    """Returns the run of `workdir`, at its newest good checkpoint, or from `init`.

    With `step` it goes back to the checkpoint of that step, 0 for `init`; later ones are deleted,
    and set aside are those that were found `damaged`. From `origin`, a checkpoint of another run,
    come the parameters in place of those of `init`. `say` is told of checkpoints that are damaged.
    Whoever calls this holds the lock of `workdir`.

    Raises:
      ValueError: if the checkpoint was trained on other data, or for more steps, or is a mean;
        nothing is changed then.
      NoGoodCheckpoint: if there are checkpoints and all of them are damaged; likewise.
    """
    since, fingerprint = time.monotonic(), data.fingerprint
    workdir.check_belongs_to(config.resolved())
    state, kept, found = _restored(workdir, init, step, origin, say)
    check_same_data(kept.get("fingerprint", {}), fingerprint)
    if state.step > config.train.num_steps:
        raise ValueError(
            f"{workdir.path} is at step {state.step}, beyond train.num_steps="
            f"{config.train.num_steps}. Raise it, or choose another --workdir."
        )
    if state.step < config.train.num_steps:
        for file in (workdir.results, workdir.translations):
            file.unlink(missing_ok=True)  # of a shorter run, which goes on now
    workdir.path.mkdir(parents=True, exist_ok=True)
    if origin:  # before there is a config: a run is finetuned from its first moment on, or never
        write_json(workdir.origin, origin._asdict())
    workdir.write_config(config.resolved())
    data.vocabulary.save(workdir.vocabulary)
    step = int(state.step)
    checkpoints = CheckpointWriter(
        workdir.checkpoints,
        retention(config.train),
        say=say,
        damaged={**(damaged or {}), **found},
    )
    checkpoints.delete_after(step)
    return OpenRun(
        workdir=workdir,
        state=state,
        step=step,
        record={
            "config": config.resolved(),
            "vocabulary": base64.b64encode(data.vocabulary.model_bytes).decode(),
            "fingerprint": fingerprint,
            "commit": commit(),  # now: the files may change while the run goes on
            **({"finetuned_from": origin._asdict()} if origin else {}),
        },
        since_log=kept.get("since_log", []),
        target_tokens=kept.get("target_tokens", 0),
        skipped_updates=kept.get("skipped_updates", 0),
        skipped_in_a_row=kept.get("skipped_in_a_row", 0),
        checkpoints=checkpoints,
        log=MetricsLog(workdir.metrics, step=step),
        clock=Clock(kept.get("seconds"), since=since),
    )


def _restored(
    workdir: Workdir,
    init: Callable[[], TrainState],
    step: int | None,
    origin: Origin | None,
    say: Callable[[str], None],
) -> tuple[TrainState, dict[str, Any], dict[int, str]]:
    """Returns the state, the record (empty for `init`) and the checkpoints found damaged."""
    checkpoints = Checkpoints(workdir.checkpoints, say=say)
    abstract = jax.eval_shape(init)
    if step:
        return *checkpoints.restore(step, abstract), checkpoints.damaged
    if step is None and (restored := checkpoints.newest(abstract)):
        return restored.state, restored.record, checkpoints.damaged
    fresh: TrainState = jax.tree.map(np.asarray, init())
    if origin:
        fresh = fresh._replace(params=origin.params(abstract.params))
    return fresh, {}, checkpoints.damaged


def retention(config: TrainConfig) -> Retention:
    """Returns which checkpoints of a run stay."""
    return Retention(
        newest=config.keep_checkpoints,
        save_every=config.save_every,
        keep_every=config.keep_every,
        best=config.keep_best,
    )


def check_same_data(before: dict[str, str], now: dict[str, str]) -> None:
    """Refuses to go on with other batches than those a checkpoint was trained on.

    Raises:
      ValueError: naming what differs.
    """
    for name, value in before.items():
        if now.get(name) != value:
            raise ValueError(
                f"The data is not what this run was trained on: its {name} was {value[:12]}, now it"
                f" is {now.get(name, 'absent')[:12]}. Restore it, or choose another --workdir."
            )
