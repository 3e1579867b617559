"""How many sentences a second a trained run translates, once the search is compiled."""

import dataclasses
import pathlib
import statistics
from collections.abc import Callable

import jax

from benchmarks.paired import interleaved
from experiment import command, training
from experiment.analysis import runs
from experiment.data import open_corpus


def main(argv: list[str]) -> None:
    """Translates the test split with each beam in turn, and prints the rates."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdir", type=pathlib.Path, required=True, help="a trained run")
    arguments.add_argument("--beam_sizes", type=int, nargs="+", default=[1, 4])
    arguments.add_argument("--rounds", type=int, default=5)
    command.add_cache_dir(arguments)
    flags = arguments.parse_args(argv)
    with command.user_errors():
        run = runs.load(flags.workdir)
        corpus = open_corpus(run.config.data, flags.cache_dir.expanduser(), print)
        sources = [source for source, _ in corpus.pairs(run.config.evaluation.test_split)[:]]
        training.use_compilation_cache(flags.cache_dir)
    params = jax.device_put(run.params)

    def way(beam_size: int) -> Callable[[], object]:
        translator = run.translator(dataclasses.replace(run.config.decode, beam_size=beam_size))
        return lambda: translator.best(params, sources)

    seconds = interleaved({str(size): way(size) for size in flags.beam_sizes}, rounds=flags.rounds)
    for size, values in seconds.items():
        rates = [len(sources) / value for value in values]
        print(
            f"beam {size}: {statistics.median(rates):,.0f} sentences/s "
            f"({min(rates):,.0f} to {max(rates):,.0f}), {len(sources):,} sentences"
        )
