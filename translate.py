"""Translates with a trained run: standard input to standard output, one line in, one line out.

    echo "four hundred and twenty-seven" | python translate.py --workdir=runs/numbers
    python translate.py --workdir=runs/multi30k --beam_size=8 --n_best=3 --scores < captions.en
    python translate.py --workdir=runs/numbers        at a terminal: type a sentence, see it, again
    echo "Two men" | python translate.py --workdir=runs/language_model --n_best=3    goes on with it

As many lines come out as went in, in their order, empty ones empty. One that cannot be translated,
not UTF-8 or far too long, comes out empty: a warning names it, the others are translated, and the
exit code is 2. With --n_best=N every line gives N lines; with --scores each starts with its score,
the log probability divided by the length penalty, and a tab. Of a run on a treebank what comes out
are trees over the words of the line, in brackets, or their tags. A language model goes on with what
a line begins, an empty one with nothing (docs/language_model.md). With --temperature=1 they are
samples, of which --top_k and --top_p leave out the less likely; the same --seed draws the same.
"""

import argparse
import contextlib
import functools
import io
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import jax

from experiment import command, training
from experiment.analysis import runs
from experiment.config import DecodeConfig
from experiment.data import lines_of
from experiment.evaluation import Translation, translate_stream

INPUT = "standard input"


def main(argv: list[str]) -> None:
    """Reads the flags, loads the run, translates what comes."""
    flags = parse(argv)
    progress = training.Progress()
    with command.user_errors():
        command.check_positive(flags, "average", "step", "beam_size", "n_best")
        if sys.stdin is None:
            raise ValueError("Standard input is closed; the lines to read come from there.")
        with progress.waiting("the checkpoints to be read"):
            run = runs.load(flags.workdir, average=flags.average, step=flags.step, say=progress.say)
        decode = command.changed_decode(run.config.decode, flags)
        check_n_best(decode, flags)
        training.use_compilation_cache(flags.cache_dir)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # whatever the locale, as the input is read
    translated = functools.partial(
        translate_stream, run.translator(decode), jax.device_put(run.params), task=run.task
    )
    if sys.stdin.isatty():
        converse(
            translated, flags, "the beginning of a text" if run.task.continues else "a sentence"
        )
        return
    lines, done = lines_of(sys.stdin.buffer, INPUT), 0
    progress.wait_for("compiling")
    with command.user_errors():
        for chunk in translated(lines, INPUT, progress.say):
            for hypotheses in chunk:
                show(hypotheses, flags)
            sys.stdout.flush()
            done += len(chunk)
            progress.update(f"translated {done:,} lines")
    progress.clear()


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdir", type=pathlib.Path, required=True, help="a trained run")
    command.add_decode(arguments)
    arguments.add_argument("--n_best", type=int, default=1, help="translations a line")
    arguments.add_argument("--scores", action="store_true", help="score and tab before each")
    command.add_checkpoints(arguments)
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


def check_n_best(decode: DecodeConfig, flags: argparse.Namespace) -> None:
    """Refuses to ask a search for more translations than it holds.

    Raises:
      ValueError: if the beam is less than `--n_best`.
    """
    if flags.n_best > decode.beam_size:
        raise ValueError(
            f"--n_best={flags.n_best} cannot be more than the beam of {decode.beam_size}. "
            f"Use --beam_size={flags.n_best}."
        )


def show(hypotheses: list[Translation], flags: argparse.Namespace) -> None:
    """Prints exactly `n_best` lines; where the search found fewer, the last ones are empty."""
    for rank in range(flags.n_best):
        found = hypotheses[rank] if rank < len(hypotheses) else None
        score = "" if not flags.scores else f"{found.score:.4f}\t" if found else "\t"
        print(f"{score}{found.text if found else ''}")


def converse(translated: Callable[..., Any], flags: argparse.Namespace, what: str) -> None:
    """Translates what is typed until the input ends."""
    say = functools.partial(print, file=sys.stderr)
    say(f"Type {what}; Ctrl-D ends.")
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    typed = iter(functools.partial(input, "> "), None)
    with contextlib.suppress(EOFError):
        for (found,) in translated(typed, INPUT, say, at_once=1):
            show(found, flags)


if __name__ == "__main__":
    command.run(main)
