"""Trains a Transformer; the same command again goes on where it stopped.

    python train.py                                        the default: numbers in words, minutes
    python train.py --config=configs/multi30k.py --config.data.dir=FOLDER --workdir=runs/multi30k
    python train.py --config.model.num_heads=2 --workdir=runs/two_heads    any setting is a flag
    python train.py --seeds=3 --workdir=runs/three         three runs, together if they are small

A workdir holds config.json (every setting), vocabulary.model, checkpoints/, metrics.jsonl,
tensorboard/ and, once the run is finished, translations.txt and results.json. Ctrl-C saves and
stops (exit code 42).
"""

import contextlib
import functools
import json
import pathlib
from collections.abc import Sequence
from typing import Any

import jax

from experiment import command, training
from experiment.analysis.runs import build_evaluator
from experiment.config_files import load_config
from experiment.data import TrainingData, in_the_order_of, prepare_training_data
from model.transformer import Transformer


def main(argv: list[str]) -> None:
    """Reads the flags, checks everything, trains, scores."""
    arguments = command.parser(__doc__)
    default = pathlib.Path(__file__).parent / "configs" / "numbers.py"
    config_help = "the experiment (default: numbers); --config.SECTION.NAME=VALUE changes it"
    arguments.add_argument("--config", default=str(default), help=config_help)
    arguments.add_argument("--workdir", type=pathlib.Path, help="default: runs/NAME_OF_CONFIG")
    arguments.add_argument("--seeds", type=int, default=1, help="so many, from config.seed on")
    arguments.add_argument(
        "--finetune_from", type=pathlib.Path, help="start anew, with the parameters of this run"
    )
    command.add_cache_dir(arguments)
    flags, overrides = arguments.parse_known_args(argv)
    progress, cache_dir = training.Progress(), flags.cache_dir.expanduser()
    with command.user_errors():
        command.check_positive(flags, "seeds")
        config = load_config(flags.config, overrides)
        folder = flags.workdir or training.default_workdir(flags.config)
        runs = training.runs_of(folder, config, flags.seeds)
        results = {run.name: found for run in runs if (found := run.results())}
        left = [run for run in runs if run.name not in results]
        origin = training.origin_of(runs, flags.finetune_from, progress.say)
        for run in runs:
            if run.name in results:
                progress.say(f"{run.workdir.path} is finished{'.' if left else ':'}")
        if left:
            known = training.known_vocabulary(runs, origin)
            data = prepare_training_data(config, cache_dir, progress.say, vocabulary=known)
            training.use_compilation_cache(cache_dir)
            placement = training.place(config, jax.local_devices())
    if left:
        with command.machine_errors(), training.locked_all(left, progress.say):
            training.check_nothing_changed(left, origin)
            results |= train(runs, data, placement, progress, origin)
    in_order = {run.name: results[run.name] for run in runs}
    print(json.dumps(in_order if flags.seeds > 1 else results[runs[0].name], indent=2))


def train(
    runs: list[training.PlannedRun],
    data: TrainingData,
    placement: training.Placement,
    progress: training.Progress,
    origin: training.Origin | None,
) -> dict[str, Any]:
    """Trains to the end; leaves the scores of the test split in each workdir, and returns them."""
    config = runs[0].config  # that of all, except for the seed
    model = Transformer(config.model.transformer(data.vocabulary.size))
    optimizer = training.adam(config)
    evaluator = build_evaluator(config, model, data.vocabulary)
    evaluate = functools.partial(
        evaluator.scores,
        pairs=data.corpus.pairs("validation")[:],
        translated=config.evaluation.validation_sentences,
    )
    loss_fn = training.loss_of(model, config.train.label_smoothing)
    step_fn = functools.partial(training.train_step, loss_fn=loss_fn, optimizer=optimizer)
    init = jax.jit(functools.partial(training.init_state, model, optimizer))
    ordered = {run.name: in_the_order_of(run.config, data) for run in runs[1:]}
    ordered[runs[0].name] = data
    groups = training.grouped(runs, ordered, placement, progress.say)
    compiled = functools.cache(functools.partial(placement.compile_train_step, step_fn))

    def train_group(group: Sequence[training.PlannedRun]) -> dict[str, Any]:
        with contextlib.ExitStack() as closing:
            stop.leave_if_asked("stopped between runs; those that were begun are saved")
            with command.input_errors():
                members = training.open_members(group, ordered, init, evaluate, progress, origin)
            for member in members:
                closing.callback(member.close)
            loop = training.Loop(
                step_fn=compiled(len(group)),
                placement=placement,
                config=config.train,
                members=members,
                stop=stop,
            )
            loop.run_to_end(training.batches_after(loop.step, group, ordered, placement))
            pairs = data.corpus.pairs(config.evaluation.test_split)[:]
            return {
                member.name: training.finish(member, evaluator, pairs, config, stop)
                for member in members
            }

    with training.StopRequest(progress.say) as stop:
        return training.train_in_turn(groups, train_group, progress.say)


if __name__ == "__main__":
    command.run(main)
