"""Sections 5 and 5.1 to 5.4: from batches to parameters, and never losing them."""

from experiment.training.averaging import average_run
from experiment.training.begun import Begun, look_at
from experiment.training.checkpoint import (
    Checkpoints,
    CheckpointWriter,
    Damaged,
    Gone,
    Retention,
    averaged_steps,
    seal,
)
from experiment.training.clock import Clock
from experiment.training.compilation import use_compilation_cache
from experiment.training.connect import connect
from experiment.training.finish import finish
from experiment.training.lock import locked, locked_all
from experiment.training.loop import Loop
from experiment.training.loss import (
    Params,
    Sums,
    batch_loss,
    cross_entropy,
    loss_of,
    training_loss,
)
from experiment.training.member import Diverged, Member
from experiment.training.metrics import MetricsLog, read_metrics
from experiment.training.optimizer import adam, learning_rate
from experiment.training.origin import Origin, check_nothing_changed, known_vocabulary, origin_of
from experiment.training.parallel import Meshed, Placement, Pmapped, on_host, place
from experiment.training.processes import Processes
from experiment.training.profile import Profile, profile_of
from experiment.training.progress import Progress, duration
from experiment.training.schedule import cooled_down, warmup_rsqrt
from experiment.training.seeds import PlannedRun, runs_of
from experiment.training.source import commit
from experiment.training.stacking import stacked, stacked_batches
from experiment.training.start import OpenRun, open_run
from experiment.training.state import TrainState, init_params, init_state, num_params
from experiment.training.step import evaluation_step, train_step
from experiment.training.stopping import Preempted, StopRequest
from experiment.training.throughput import RATES, TIMES
from experiment.training.together import batches_after, grouped, open_members, train_in_turn
from experiment.training.trainer import Trainer
from experiment.training.workdir import (
    Workdir,
    default_workdir,
    flatten,
    write_json,
    write_lines,
)

__all__ = [
    # One update.
    "Params",
    "Sums",
    "TrainState",
    "adam",
    "batch_loss",
    "cooled_down",
    "cross_entropy",
    "evaluation_step",
    "init_params",
    "init_state",
    "learning_rate",
    "loss_of",
    "num_params",
    "train_step",
    "training_loss",
    "warmup_rsqrt",
    # Many of them.
    "Clock",
    "RATES",
    "TIMES",
    "Loop",
    "Member",
    "OpenRun",
    "Meshed",
    "Placement",
    "Pmapped",
    "Profile",
    "profile_of",
    "finish",
    "check_nothing_changed",
    "known_vocabulary",
    "open_run",
    "on_host",
    "place",
    "Origin",
    "origin_of",
    "use_compilation_cache",
    # All of a command's runs, in one process or several.
    "Begun",
    "Processes",
    "Trainer",
    "connect",
    "look_at",
    # Several runs as one.
    "PlannedRun",
    "batches_after",
    "grouped",
    "open_members",
    "runs_of",
    "stacked",
    "stacked_batches",
    "train_in_turn",
    # What a run leaves behind, and how it ends.
    "CheckpointWriter",
    "Checkpoints",
    "Damaged",
    "Diverged",
    "Gone",
    "MetricsLog",
    "Preempted",
    "Progress",
    "Retention",
    "StopRequest",
    "Workdir",
    "average_run",
    "averaged_steps",
    "commit",
    "default_workdir",
    "duration",
    "flatten",
    "locked",
    "locked_all",
    "read_metrics",
    "seal",
    "write_json",
    "write_lines",
]
