"""Trains a Transformer; the same command again goes on where it stopped.

    python train.py                                        the default: numbers in words, minutes
    python train.py --config=configs/multi30k.py --config.data.dir=FOLDER --workdir=runs/multi30k
    python train.py --config.model.num_heads=2 --workdir=runs/two_heads    any setting is a flag

A workdir holds config.json (every setting), vocabulary.model, checkpoints/, metrics.jsonl,
tensorboard/ and, once the run is finished, translations.txt and results.json. Ctrl-C saves and
stops (exit code 42).
"""

import functools
import json
import pathlib

import jax

from experiment import command, training
from experiment.analysis.runs import build_evaluator
from experiment.config import ExperimentConfig, load_config
from experiment.data import TrainingData, Vocabulary, prepare_training_data, training_batches
from model.transformer import Transformer


def main(argv: list[str]) -> None:
    """Reads the flags, checks everything, trains, scores."""
    arguments = command.parser(__doc__)
    arguments.add_argument(
        "--config",
        default=str(pathlib.Path(__file__).parent / "configs" / "numbers.py"),
        help="the experiment (default: configs/numbers.py); --config.SECTION.NAME=VALUE changes it",
    )
    arguments.add_argument("--workdir", type=pathlib.Path, help="default: runs/NAME_OF_CONFIG")
    command.add_cache_dir(arguments)
    flags, overrides = arguments.parse_known_args(argv)
    progress, cache_dir = training.Progress(), flags.cache_dir.expanduser()
    with command.user_errors():
        config = load_config(flags.config, overrides)
        folder = flags.workdir or pathlib.Path("runs") / pathlib.Path(flags.config).stem
        workdir = training.Workdir(folder)
        workdir.check_belongs_to(config.resolved())
        if results := workdir.results_after(config.train.num_steps):
            progress.say(f"{workdir.path} is finished:")
            print(json.dumps(results, indent=2))
            return
        placement = training.Placement(jax.local_devices())
        placement.check_rows(config.train.tokens_per_batch // config.longest_row)
        known = Vocabulary.load(workdir.vocabulary) if workdir.vocabulary.exists() else None
        data = prepare_training_data(config, cache_dir, progress.say, vocabulary=known)
        training.use_compilation_cache(cache_dir)
    try:
        train(config, workdir, data, placement, progress)
    except training.Preempted as preempted:
        progress.say(f"{preempted}; the same command goes on from there.")
        raise SystemExit(command.PREEMPTED) from None
    except FloatingPointError as error:
        command.fail(str(error), command.NOT_FINITE)


def train(
    config: ExperimentConfig,
    workdir: training.Workdir,
    data: TrainingData,
    placement: training.Placement,
    progress: training.Progress,
) -> None:
    """Trains to the end, and leaves the scores of the test split in `workdir`."""
    model = Transformer(config.model.transformer(data.vocabulary.size))
    optimizer = training.adam(config)
    root = jax.random.key(config.seed)
    init = functools.partial(training.init_state, model, optimizer, jax.random.fold_in(root, 0))
    progress.wait_for(f"{workdir.path}: initialising, or restoring the newest checkpoint")
    with command.user_errors():
        run = training.open_run(workdir, config, data, init)
    evaluator = build_evaluator(config, model, data.vocabulary)
    loss_fn = training.loss_of(model, config.train.label_smoothing)
    step_fn = functools.partial(training.train_step, loss_fn=loss_fn, optimizer=optimizer)
    loop = training.Loop(
        step_fn=placement.compile_train_step(step_fn),
        placement=placement,
        rng=jax.random.fold_in(root, 1),
        config=config.train,
        evaluate=functools.partial(
            evaluator.scores,
            pairs=data.corpus.pairs("validation")[:],
            translated=config.evaluation.validation_sentences,
        ),
        run=run,
        progress=progress,
    )
    loop.run_to_end(
        training_batches(
            data.train,
            data.plan,
            start_step=run.step,
            num_steps=config.train.num_steps - run.step,
        )
    )
    results = training.finish(
        loop, evaluator, data.corpus.pairs(config.evaluation.test_split)[:], config.evaluation
    )
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    command.run(main)
