"""Every head of a run removed once: in one vmapped call, in a call a head, in a program a head.

All three find the same losses of the same sentence pairs. In one call, the gates of all heads are
an axis of one program. In a call a head, one program has the gates of one removal as an argument.
In a program a head, the gates are constants, as they are for who edits the model: each is compiled
when it is called; some heads get one, and the time is that of as many as there are. Both kinds of
time are taken in turn: with the programs of the first two ways compiled, and from nothing. The
first two ways are compared as well in translating without each head, greedily.
"""

import argparse
import functools
import pathlib
import statistics
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np

from benchmarks.paired import interleaved, ratios
from experiment import command
from experiment.analysis import runs
from experiment.analysis.heads import Head, Losses, Translations, without
from experiment.analysis.heads.losses import summed_nll

VMAPPED, CALLS, PROGRAMS = "one vmapped call", "a call a head", "a program a head"
Ways = dict[str, Callable[[], object]]


def main(argv: list[str]) -> None:
    """Removes all heads in each way, in turn, and prints times and ratios."""
    flags = parse(argv)
    with command.user_errors():
        command.check_positive(flags, "rounds", "programs", "translated")
        if min(flags.sentences) < 1:
            raise ValueError(f"--sentences={min(flags.sentences)} must be at least 1.")
        run = runs.load(flags.workdir)
        pairs = run.pairs(flags.split, flags.cache_dir.expanduser(), print)
        sizes = [Losses(run, pairs[:size]) for size in flags.sentences]
        translations = Translations(run, pairs[: flags.translated])
    for losses, size in zip(sizes, flags.sentences, strict=True):
        print(
            f"loss of {min(size, len(pairs)):,} pairs, {losses.packed.tokens:,} target tokens, "
            f"without each of {len(losses.heads)} heads"
        )
        show("compiled", compiled(losses, flags.rounds))
        show("from nothing", from_nothing(losses, flags.programs, flags.rounds))
    print(f"greedy translations of {min(flags.translated, len(pairs)):,} sentences without each")
    show("compiled", translating(translations, flags.rounds))


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdir", type=pathlib.Path, required=True, help="a trained run")
    arguments.add_argument("--split", default="validation", help="of the run's corpus")
    arguments.add_argument("--sentences", type=int, nargs="+", default=[8, 64], help="of the loss")
    arguments.add_argument("--translated", type=int, default=8, help="sentences")
    arguments.add_argument(
        "--programs", type=int, default=4, help="heads that get one of their own"
    )
    arguments.add_argument("--rounds", type=int, default=5)
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


def compiled(losses: Losses, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of each round of the first two ways, which find the same."""
    ways: Ways = {VMAPPED: losses.without_each, CALLS: lambda: call_by_call(losses)}
    np.testing.assert_allclose(losses.without_each(), call_by_call(losses), rtol=1e-4)
    return interleaved(ways, rounds=rounds, warm_up=0)


def from_nothing(losses: Losses, programs: int, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of each round of all ways, where nothing is compiled before."""
    chosen = losses.heads[:: -(-len(losses.heads) // programs)]

    def anew(way: Callable[[], object]) -> None:
        jax.clear_caches()
        way()

    ways: Ways = {
        VMAPPED: lambda: anew(losses.without_each),
        CALLS: lambda: anew(lambda: call_by_call(losses)),
        PROGRAMS: lambda: anew(lambda: [program(losses, head) for head in chosen]),
    }
    seconds = interleaved(ways, rounds=rounds, warm_up=0)
    share = len(losses.heads) / len(chosen)
    return seconds | {PROGRAMS: [share * value for value in seconds[PROGRAMS]]}


def call_by_call(losses: Losses) -> list[float]:
    """Returns the loss without each head, by one program that is called for each."""
    return [losses.of(without(losses.gates, [head])) for head in losses.heads]


def program(losses: Losses, head: Head) -> float:
    """Returns the loss without a head, by a program that is compiled for it alone."""
    gates = jax.tree.map(np.asarray, without(losses.gates, [head]))
    way = functools.partial(summed_nll, gates=gates, model=losses.model)
    nll = jax.jit(lambda params, batches: way(params, batches=batches))
    return float(nll(losses.params, losses.packed.batches)) / losses.packed.tokens


def translating(translations: Translations, rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of each round of the first two ways to translate without each head."""
    sets = [without(translations.gates, [head]) for head in translations.heads]
    ways: Ways = {
        VMAPPED: lambda: list(translations.texts(sets)),
        CALLS: lambda: [list(translations.texts([gates])) for gates in sets],
    }
    return interleaved(ways, rounds=rounds)


def show(what: str, seconds: Mapping[str, list[float]]) -> None:
    """Prints what each way takes, and how many times the first's time that is."""
    for line in told(what, seconds):
        print(f"  {line}", flush=True)


def told(what: str, seconds: Mapping[str, list[float]]) -> Iterator[str]:
    """Yields a line a way: its median time, and its ratio to the first's, with the spread.

    Example:
      >>> list(told("warm", {VMAPPED: [1.0, 2.0, 1.0], CALLS: [5.0, 6.0, 8.0]}))[1]
      'warm, a call a head: 6.00 s, 5.00 times one vmapped call (rounds 3.00 to 8.00)'
    """
    first = seconds[VMAPPED]
    for name, values in seconds.items():
        low, median, high = ratios(values, first)
        spread = f", {median:.2f} times {VMAPPED} (rounds {low:.2f} to {high:.2f})"
        line = f"{what}, {name}: {statistics.median(values):.2f} s"
        yield line + spread * (name != VMAPPED)
