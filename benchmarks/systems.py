"""Trained runs on the same text side by side: quality, speed of training and of translating.

Scores are what the runs themselves found on their test split. Speed is measured now, in turn, of
each run's own training batches and of the same sentences, so that it does not depend on what else
the machine did while a run was trained. The minutes to a BLEU are the steps that a run needed to
show it on validation, times the seconds that a step takes now.
"""

import argparse
import dataclasses
import pathlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax

from benchmarks.batching import prepared
from benchmarks.paired import interleaved, ratios
from experiment import command, training
from experiment.analysis import runs
from experiment.data import open_corpus

COLUMNS = ("run", "parameters", "steps", "sacreBLEU", "perplexity")
Ways = dict[str, Callable[[], object]]


class Trained(NamedTuple):
    """A finished run, what it found on its test split, and when it had the BLEU that is asked."""

    run: runs.Run
    results: Mapping[str, Any]
    steps_to_bleu: int | None


def main(argv: list[str]) -> None:
    """Times all runs in turn, and prints one table."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdirs", type=pathlib.Path, nargs="+", required=True)
    arguments.add_argument("--bleu", type=float, default=30.0, help="sacreBLEU on validation")
    arguments.add_argument("--batches", type=int, default=10, help="steps a round")
    arguments.add_argument("--sentences", type=int, default=200, help="translated a round")
    arguments.add_argument("--rounds", type=int, default=5)
    command.add_cache_dir(arguments)
    flags = arguments.parse_args(argv)
    with command.user_errors():
        command.check_positive(flags, "batches", "sentences", "rounds")
        trained = {str(path): opened(path, flags.bleu) for path in flags.workdirs}
        check_alike(trained)
        training.use_compilation_cache(flags.cache_dir)
        steps = {name: prepared(it.run.config, flags) for name, it in trained.items()}
    seconds = interleaved({name: way for name, (way, _) in steps.items()}, rounds=flags.rounds)
    tokens = {name: count for name, (_, count) in steps.items()}
    trained_rates = {name: [tokens[name] / s for s in values] for name, values in seconds.items()}
    a_step = {name: statistics.median(s) / flags.batches for name, s in seconds.items()}
    beams = {beam: translating(trained, beam, flags) for beam in (1, most_common_beam(trained))}
    columns: dict[str, Mapping[str, str]] = {
        "training, target tokens/s": compared(trained_rates),
        f"minutes to BLEU {flags.bleu:g}": minutes(trained, a_step),
        **{f"sentences/s, beam {beam}": compared(rates) for beam, rates in beams.items()},
    }
    print("\n".join(table(trained, columns)))


def opened(path: pathlib.Path, bleu: float) -> Trained:
    """Returns a finished run.

    Raises:
      ValueError: if there is none, or it has no BLEU.
    """
    run = runs.load(path)
    results = run.workdir.results_after(0)
    if results is None or "sacrebleu" not in results:
        raise ValueError(
            f"{path} must be a finished run with a BLEU, and its results.json has none. Train it "
            "to its end, or leave it out."
        )
    scores = [line for line in run.metrics() if line.get("kind") == "validation"]
    reached = [line["step"] for line in scores if line["sacrebleu"] >= bleu]
    return Trained(run, results, min(reached, default=None))


def check_alike(trained: Mapping[str, Trained]) -> None:
    """Refuses runs whose scores and sentences cannot be compared.

    Raises:
      ValueError: naming two that learned from other text.
    """
    first, *others = trained
    for other in others:
        for part in ("corpus", "direction"):
            if trained[other].run.fingerprint[part] != trained[first].run.fingerprint[part]:
                raise ValueError(
                    f"{first} and {other} must have learned from the same text, and their {part} "
                    "differs. Compare runs of one corpus."
                )


def most_common_beam(trained: Mapping[str, Trained]) -> int:
    """Returns the beam that most runs are configured to search with."""
    return statistics.mode(it.run.config.decode.beam_size for it in trained.values())


def translating(
    trained: Mapping[str, Trained], beam_size: int, flags: argparse.Namespace
) -> dict[str, list[float]]:
    """Returns the sentences that each run translates a second, one rate a round."""
    ways: Ways = {}
    for name, (run, _, _) in trained.items():
        corpus = open_corpus(run.config.data, flags.cache_dir.expanduser(), print)
        pairs = corpus.pairs(run.config.evaluation.test_split)[: flags.sentences]
        ways[name] = way(run, beam_size, [source for source, _ in pairs])
    seconds = interleaved(ways, rounds=flags.rounds)
    return {name: [len(pairs) / value for value in values] for name, values in seconds.items()}


def way(run: runs.Run, beam_size: int, sources: Sequence[str]) -> Callable[[], object]:
    """Returns what translates the sentences."""
    translator = run.translator(dataclasses.replace(run.config.decode, beam_size=beam_size))
    params = jax.device_put(run.params)
    return lambda: translator.best(params, sources)


def compared(rates: Mapping[str, list[float]]) -> dict[str, str]:
    """Returns each run's median rate, and its ratio to the first run's, with the spread.

    Example:
      >>> compared({"a": [100.0, 110.0, 90.0], "b": [50.0, 55.0, 60.0]})["b"]
      '55 (0.50; 0.50 to 0.67)'
    """
    first = next(iter(rates.values()))
    cells = {}
    for name, values in rates.items():
        low, median, high = ratios(values, first)
        spread = f" ({median:.2f}; {low:.2f} to {high:.2f})" if values is not first else ""
        cells[name] = f"{statistics.median(values):,.0f}{spread}"
    return cells


def minutes(trained: Mapping[str, Trained], a_step: Mapping[str, float]) -> dict[str, str]:
    """Returns the minutes of training until the BLEU was there, or that it never was."""
    return {
        name: f"{it.steps_to_bleu * a_step[name] / 60:.0f} ({it.steps_to_bleu:,} steps)"
        if it.steps_to_bleu
        else "not reached"
        for name, it in trained.items()
    }


def table(
    trained: Mapping[str, Trained], columns: Mapping[str, Mapping[str, str]]
) -> Sequence[str]:
    """Returns the lines of a table in Markdown, one row a run."""
    head = [*COLUMNS, *columns]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, (run, results, _) in trained.items():
        cells = [
            name,
            f"{run.num_params:,}",
            f"{results['step']:,}",
            f"{results['sacrebleu']:.1f}",
            f"{results['perplexity']:.2f}",
            *(column[name] for column in columns.values()),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines
