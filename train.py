"""Trains a Transformer; the same command again goes on where it stopped.

    python train.py                                        the default: numbers in words, minutes
    python train.py --config=configs/multi30k.py --config.data.dir=FOLDER --workdir=runs/multi30k
    python train.py --config.model.num_heads=2 --workdir=runs/two_heads    any setting is a flag
    python train.py --seeds=3 --workdir=runs/three         three runs, together if they are small

The same command on every host of a TPU slice or of a Slurm or MPI job trains on all their devices.
Elsewhere --coordinator, --num_processes and --process_id say who is there.

A workdir holds config.json, vocabulary.model, checkpoints/, metrics.jsonl, tensorboard/ and, at the
end, translations.txt and results.json. Ctrl-C saves and stops (exit code 42).
"""

import argparse
import contextlib
import functools
import json
import pathlib
from typing import Any

import jax

from experiment import command, training
from experiment.analysis.runs import build_evaluator
from experiment.config import ExperimentConfig
from experiment.config_files import load_config
from experiment.data import TrainingData, in_the_order_of, prepare_training_data
from model.systems import system_of


def main(argv: list[str]) -> None:
    """Reads the flags, finds the other processes, trains, scores."""
    arguments = command.parser(__doc__)
    default = pathlib.Path(__file__).parent / "configs" / "numbers.py"
    config_help = "the experiment (default: numbers); --config.SECTION.NAME=VALUE changes it"
    arguments.add_argument("--config", default=str(default), help=config_help)
    arguments.add_argument("--workdir", type=pathlib.Path, help="default: runs/NAME_OF_CONFIG")
    arguments.add_argument("--seeds", type=int, default=1, help="so many, from config.seed on")
    arguments.add_argument("--finetune_from", type=pathlib.Path, help="start with its parameters")
    arguments.add_argument("--profile", metavar="FROM:TO", help="trace the steps after FROM, to TO")
    command.add_cache_dir(arguments)
    command.add_processes(arguments)
    flags, overrides = arguments.parse_known_args(argv)
    progress = training.Progress()
    with command.user_errors():
        command.check_positive(flags, "seeds")
        config = load_config(flags.config, overrides)
        profile = training.profile_of(flags.profile, config.train.num_steps)
        processes = training.connect(*command.processes_of(flags), progress)
    told = progress if processes.is_first else progress.mute()
    with command.failures(), processes:
        results = run(flags, config, profile, processes, told)
    if processes.is_first:
        print(json.dumps(results if flags.seeds > 1 else next(iter(results.values())), indent=2))


def run(
    flags: argparse.Namespace,
    config: ExperimentConfig,
    profile: training.Profile | None,
    processes: training.Processes,
    progress: training.Progress,
) -> dict[str, Any]:
    """Returns the results of every seed, by name; trains those that are not finished."""
    cache_dir = flags.cache_dir.expanduser()
    with command.user_errors():
        # Where the corpus lies is each host's own affair.
        given = {"--seeds": flags.seeds, "commit": training.commit(), "data.dir": None}
        processes.check_same("the settings", training.flatten(config.resolved()) | given)
        where = (flags.workdir or training.default_workdir(flags.config), config)
        begun = training.look_at(*where, flags.seeds, flags.finetune_from, processes, progress)
        if not begun.left:
            return begun.results
        known = {"vocabulary": begun.vocabulary}
        data = processes.after_first(
            "the corpus to be prepared",
            lambda: prepare_training_data(config, cache_dir, progress.say, **known),
        )
        processes.check_same("the data", data.fingerprint)
        training.use_compilation_cache(cache_dir)
        placement = training.place(config, jax.devices())
    with command.machine_errors(), contextlib.ExitStack() as closing:

        def lock() -> None:
            closing.enter_context(training.locked_all(begun.left, progress.say))
            training.check_nothing_changed(begun.left, begun.origin)

        processes.from_first("the workdir to be locked", lock)
        trained = training.Trainer(
            begun.runs,
            {each.name: in_the_order_of(each.config, data) for each in begun.runs},
            **parts(config, data),
            placement=placement,
            processes=processes,
            progress=progress,
            origin=begun.origin,
            profile=profile,
            input_errors=command.input_errors,
        ).train()
    by_name = begun.results | trained
    return {each.name: by_name[each.name] for each in begun.runs}


def parts(config: ExperimentConfig, data: TrainingData) -> dict[str, Any]:
    """Returns what is trained, and how it is scored; here the rooms meet."""
    model = system_of(config.model.system_config(data.vocabulary.size))
    optimizer = training.adam(config)
    loss_fn = training.training_loss(model, config.train)
    return {
        "step_fn": functools.partial(training.train_step, loss_fn=loss_fn, optimizer=optimizer),
        "init": training.on_host(jax.jit(functools.partial(training.init_state, model, optimizer))),
        "evaluator": build_evaluator(config, model, data.vocabulary),
    }


if __name__ == "__main__":
    command.run(main)
