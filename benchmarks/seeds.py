"""Several seeds in one program, or one after another: which takes their steps faster?"""

import dataclasses
import functools
import statistics
from typing import Any, NamedTuple

import jax

from benchmarks.paired import interleaved, ratios
from experiment import command, training
from experiment.config import ExperimentConfig
from experiment.config_files import load_config
from experiment.data import (
    Batch,
    TrainingData,
    in_the_order_of,
    prepare_training_data,
    training_batches,
)
from model.systems import system_of


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
    way = Way(config, data)
    members = [way.start(seed, flags.steps) for seed in range(max(flags.seeds))]
    for seeds in flags.seeds:
        chosen = members[:seeds]
        groups = {"together": [chosen], "apart": [[member] for member in chosen]}
        ways = {name: functools.partial(way.take, group) for name, group in groups.items()}
        seconds = interleaved(ways, rounds=flags.rounds)
        low, median, high = ratios(seconds["apart"], seconds["together"])
        step = 1000 * statistics.median(seconds["apart"]) / seeds / flags.steps
        print(
            f"{seeds} seeds: one after another / together {median:.2f} (rounds {low:.2f} to "
            f"{high:.2f}); {step:.1f} ms a step of one"
        )


class Start(NamedTuple):
    """Where a seed starts, and the batches of its first steps."""

    state: Any
    rng: jax.Array
    batches: list[Batch]


class Way:
    """Takes steps as the loop does."""

    def __init__(self, config: ExperimentConfig, data: TrainingData) -> None:
        self._config, self._data = config, data
        self._placement = training.Pmapped(jax.local_devices()[:1])
        model = system_of(config.model.system_config(data.vocabulary.size))
        optimizer = training.adam(config)
        self._init = jax.jit(functools.partial(training.init_state, model, optimizer))
        loss_fn = training.training_loss(model, config.train)
        step_fn = functools.partial(training.train_step, loss_fn=loss_fn, optimizer=optimizer)
        self._compiled = functools.cache(
            functools.partial(self._placement.compile_train_step, step_fn)
        )

    def start(self, seed: int, count: int) -> Start:
        """Returns what `count` steps of a seed need."""
        rng = jax.random.key(seed)
        data = in_the_order_of(dataclasses.replace(self._config, seed=seed), self._data)
        batches = list(training_batches(data.train, data.plan, start_step=0, num_steps=count))
        return Start(self._placement.fetch(self._init(rng)), rng, batches)

    def take(self, groups: list[list[Start]]) -> None:
        """Takes all steps of one group after another, the members of each together."""
        for group in groups:
            step_fn = self._compiled(len(group))
            state = self._placement.place_state(training.stacked([each.state for each in group]))
            rng, metrics = training.stacked([each.rng for each in group]), []
            for batch in training.stacked_batches([each.batches for each in group]):
                state, measured = step_fn(state, self._placement.place_batch(batch), rng)
                metrics.append(measured)
            jax.block_until_ready(metrics)
