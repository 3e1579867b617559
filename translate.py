"""Translates with a trained run: standard input to standard output, one line in, one line out.

    echo "four hundred and twenty-seven" | python translate.py --workdir=runs/numbers
    python translate.py --workdir=runs/multi30k --beam_size=8 --n_best=3 --scores < captions.en
    python translate.py --workdir=runs/numbers        at a terminal: type a sentence, see it, again

Lines come out in the order they came in, empty ones empty. With --n_best=N every line gives N
lines; with --scores each starts with its score, the log probability divided by the length
penalty, and a tab.
"""

import argparse
import contextlib
import dataclasses
import io
import itertools
import pathlib
import sys
from typing import Any

import jax

from experiment import command, training
from experiment.analysis import runs
from experiment.config import DecodeConfig
from experiment.data import lines_of
from experiment.evaluation import Translation, Translator

LINES_AT_ONCE = 1_000  # sorted by length and written out together


def main(argv: list[str]) -> None:
    """Reads the flags, loads the run, translates what comes."""
    flags = parse(argv)
    progress = training.Progress()
    with command.user_errors():
        command.check_positive(flags, "average", "step", "beam_size", "n_best")
        run = runs.load(flags.workdir, average=flags.average, step=flags.step, say=progress.say)
        decode = changed_decode(run.config.decode, flags)
        training.use_compilation_cache(flags.cache_dir)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # whatever the locale, as the input is read
    translator, params = run.translator(decode), jax.device_put(run.params)
    if sys.stdin.isatty():
        converse(translator, params, flags)
        return
    lines, done = lines_of(sys.stdin.buffer, "standard input"), 0
    with command.user_errors():
        while chunk := list(itertools.islice(lines, LINES_AT_ONCE)):
            progress.update(f"translated {done:,} lines" if done else "compiling the search ...")
            for hypotheses in translator.translate(params, chunk):
                show(hypotheses, flags)
            sys.stdout.flush()
            done += len(chunk)
    progress.clear()


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdir", type=pathlib.Path, required=True, help="a trained run")
    arguments.add_argument("--beam_size", type=int, help="default: the run's config; 1 is greedy")
    arguments.add_argument("--length_penalty", type=float, help="default: the run's config")
    arguments.add_argument("--n_best", type=int, default=1, help="translations a line")
    arguments.add_argument("--scores", action="store_true", help="score and tab before each")
    command.add_checkpoints(arguments)
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


def changed_decode(decode: DecodeConfig, flags: argparse.Namespace) -> DecodeConfig:
    """Returns the run's way to decode with the flags' changes.

    Raises:
      ValueError: if they do not fit together.
    """
    changes: dict[str, Any] = {
        name: getattr(flags, name)
        for name in ("beam_size", "length_penalty")
        if getattr(flags, name) is not None
    }
    decode = dataclasses.replace(decode, **changes)
    if flags.n_best > decode.beam_size:
        raise ValueError(
            f"--n_best={flags.n_best} cannot be more than the beam of {decode.beam_size}. "
            f"Use --beam_size={flags.n_best}."
        )
    return decode


def show(hypotheses: list[Translation], flags: argparse.Namespace) -> None:
    """Prints exactly `n_best` lines; where the search found fewer, the last ones are empty."""
    for rank in range(flags.n_best):
        found = hypotheses[rank] if rank < len(hypotheses) else None
        score = "" if not flags.scores else f"{found.score:.4f}\t" if found else "\t"
        print(f"{score}{found.text if found else ''}")


def converse(translator: Translator, params: Any, flags: argparse.Namespace) -> None:
    """Translates what is typed until the input ends."""
    print("Type a sentence; Ctrl-D ends.", file=sys.stderr)
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    with contextlib.suppress(EOFError):
        while True:
            show(translator.translate(params, [input("> ")])[0], flags)


if __name__ == "__main__":
    command.run(main)
