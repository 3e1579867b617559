"""Several seeds in one program, or one after another: which takes their steps faster?"""

import dataclasses
import functools
import statistics
from collections.abc import Callable
from typing import Any

import jax

from benchmarks.paired import interleaved, ratios
from experiment import command, training
from experiment.config import ExperimentConfig, load_config
from experiment.data import (
    TrainingData,
    in_the_order_of,
    prepare_training_data,
    training_batches,
)
from model.transformer import Transformer

PLACEMENT = training.Placement(jax.local_devices()[:1])


def main(argv: list[str]) -> None:
    """Takes the same steps of the same seeds in either way, in turn, and prints the ratios."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--config", default="configs/numbers.py", help="any setting is a flag")
    arguments.add_argument("--seeds", type=int, nargs="+", default=[2, 4], help="how many")
    arguments.add_argument("--steps", type=int, default=20, help="of each seed, a round")
    arguments.add_argument("--rounds", type=int, default=7)
    command.add_cache_dir(arguments)
    flags, overrides = arguments.parse_known_args(argv)
    with command.user_errors():
        command.check_positive(flags, "steps", "rounds")
        config = load_config(flags.config, overrides)
        data = prepare_training_data(config, flags.cache_dir.expanduser(), print)
        training.use_compilation_cache(flags.cache_dir)
    members = [Steps(config, data, seed, flags.steps) for seed in range(max(flags.seeds))]
    compiled = functools.cache(functools.partial(compiled_step, config, data.vocabulary.size))
    for seeds in flags.seeds:
        chosen = members[:seeds]
        groups = {"together": [chosen], "apart": [[member] for member in chosen]}
        ways = {name: functools.partial(take, compiled, group) for name, group in groups.items()}
        seconds = interleaved(ways, rounds=flags.rounds)
        low, median, high = ratios(seconds["apart"], seconds["together"])
        step = 1000 * statistics.median(seconds["apart"]) / seeds / flags.steps
        print(
            f"{seeds} seeds: one after another / together {median:.2f} (rounds {low:.2f} to "
            f"{high:.2f}); {step:.1f} ms a step of one"
        )


class Steps:
    """Where a seed starts, and the batches of its first steps."""

    def __init__(self, config: ExperimentConfig, data: TrainingData, seed: int, count: int) -> None:
        self.rng = jax.random.key(seed)
        model = Transformer(config.model.transformer(data.vocabulary.size))
        state = training.init_state(model, training.adam(config), self.rng)
        self.state = PLACEMENT.fetch(state)
        plan = in_the_order_of(dataclasses.replace(config, seed=seed), data).plan
        self.batches = list(training_batches(data.train, plan, start_step=0, num_steps=count))


def compiled_step(config: ExperimentConfig, vocab_size: int, members: int) -> Callable[..., Any]:
    """Returns the step that the loop takes with so many members."""
    model = Transformer(config.model.transformer(vocab_size))
    loss_fn = training.loss_of(model, config.train.label_smoothing)
    step_fn = functools.partial(
        training.train_step, loss_fn=loss_fn, optimizer=training.adam(config)
    )
    return PLACEMENT.compile_train_step(step_fn, members)


def take(compiled: Callable[[int], Callable[..., Any]], groups: list[list[Steps]]) -> None:
    """Takes all steps of one group after another, what it needs being stacked as in the loop."""
    for members in groups:
        step_fn = compiled(len(members))
        state = PLACEMENT.place_state(training.stacked([member.state for member in members]))
        rng, metrics = training.stacked([member.rng for member in members]), []
        for batch in training.stacked_batches([member.batches for member in members]):
            state, measured = step_fn(state, PLACEMENT.place_batch(batch), rng)
            metrics.append(measured)
        jax.block_until_ready(metrics)
