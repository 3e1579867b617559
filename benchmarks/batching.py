"""Bucketed or packed batches: which trains on more real target tokens a second?"""

import argparse
import functools
import statistics
from collections.abc import Callable

import jax

from benchmarks.paired import interleaved, ratios
from experiment import command, training
from experiment.config import ExperimentConfig
from experiment.config_files import load_config
from experiment.data import prepare_training_data, training_batches
from model.systems import system_of


def main(argv: list[str]) -> None:
    """Trains the same model for some batches of either kind, in turn, and prints the rates."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--config", default="configs/numbers.py", help="any setting is a flag")
    arguments.add_argument("--batches", type=int, default=20, help="steps a round")
    arguments.add_argument("--rounds", type=int, default=7)
    command.add_cache_dir(arguments)
    flags, overrides = arguments.parse_known_args(argv)
    ways, tokens = {}, {}
    with command.user_errors():
        for batching in ("bucketed", "packed"):
            changes = [f"--config.data.batching={batching}", *overrides]
            config = load_config(flags.config, changes)
            ways[batching], tokens[batching] = prepared(config, flags)
    seconds = interleaved(ways, rounds=flags.rounds)
    rates = {name: [tokens[name] / s for s in seconds[name]] for name in ways}
    for name, values in rates.items():
        print(
            f"{name:>9}: {statistics.median(values):7,.0f} real target tokens/s "
            f"({min(values):,.0f} to {max(values):,.0f}; {tokens[name]:,} tokens a round)"
        )
    low, median, high = ratios(rates["packed"], rates["bucketed"])
    print(f"packed / bucketed: {median:.2f} (rounds {low:.2f} to {high:.2f})")


def prepared(
    config: ExperimentConfig, flags: argparse.Namespace
) -> tuple[Callable[[], object], int]:
    """Returns a round of training, compiled, and how many real target tokens it trains on."""
    data = prepare_training_data(config, flags.cache_dir.expanduser(), print)
    model = system_of(config.model.system_config(data.vocabulary.size))
    optimizer = training.adam(config)
    step_fn = jax.jit(
        functools.partial(
            training.train_step,
            loss_fn=training.training_loss(model, config.train),
            optimizer=optimizer,
        )
    )
    rng = jax.random.key(0)
    state = jax.jit(functools.partial(training.init_state, model, optimizer))(rng)
    batches = list(training_batches(data.train, data.plan, start_step=0, num_steps=flags.batches))
    tokens = sum(int((batch.target_segments > 0).sum()) for batch in batches)

    def train() -> None:
        metrics = [step_fn(state, batch, rng)[1] for batch in batches]
        jax.block_until_ready(metrics)

    print(
        f"{config.data.batching}: compiling {len({batch.source.shape for batch in batches})} shapes"
    )
    train()
    return train, tokens
