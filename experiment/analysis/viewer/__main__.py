"""Writes a page to look with: what each head attends to, and what a model says without it.

    python -m experiment.analysis.viewer --workdir=runs/multi30k
    python -m experiment.analysis.viewer --workdir=runs/multi30k --sentences=FILE --out=look.html
    echo "Two men are running." | python -m experiment.analysis.viewer --workdir=runs/multi30k

The page is one HTML file that needs no network and no model: for each sentence all weights, all
outputs and all changes of log-probability are in it. Lines are sentences, each with a tab and its
reference behind it if you have one; they come from FILE or else from standard input. Without any,
and with --examples=N, they are the first of the run's test split.
"""

import argparse
import dataclasses
import pathlib
import shlex
import sys
from collections.abc import Sequence

import jax

from experiment import command, training
from experiment.analysis import runs, viewer
from experiment.analysis.sites import ones
from experiment.data import lines_of, read_lines, write_file

_EXAMPLES = 6
_INPUT = "standard input"
_MODULE = "python -m experiment.analysis.viewer"


def main(argv: list[str]) -> None:
    """Loads the run, reads the sentences, asks the model for all of it, writes the page."""
    flags = parse(argv)
    progress = training.Progress()
    with command.user_errors():
        command.check_positive(flags, "average", "step", "beam_size", "examples")
        out = flags.out or flags.workdir / "attention.html"
        if not out.absolute().parent.is_dir():
            raise ValueError(f"--out={out} must lie in a folder that is there.")
        with progress.waiting("the checkpoints to be read"):
            run = runs.load(flags.workdir, average=flags.average, step=flags.step, say=progress.say)
        run = dataclasses.replace(run, params=jax.device_put(run.params))
        ones(run.model)  # refuses a run without heads before anything is read
        lines = read(flags, run, progress)
        given = examples(flags, run, lines, progress) + lines
        training.use_compilation_cache(flags.cache_dir)
        # Outputs are compared: samples would differ by themselves.
        decode = dataclasses.replace(run.config.decode, temperature=0.0, top_k=0, top_p=1.0)
        if flags.beam_size:
            decode = dataclasses.replace(decode, beam_size=flags.beam_size)
        content = viewer.look(run, given, decode, progress.update)
        html = viewer.page(content | {"add": adding(argv, flags, lines)})
    with command.machine_errors():
        write_file(out, html)
    progress.clear()
    print(f"{out}: {len(given)} sentences, {len(html) / 1e6:.1f} MB")


def read(
    flags: argparse.Namespace, run: runs.Run, progress: training.Progress
) -> list[viewer.Given]:
    """Returns the sentences of the file, or else of standard input if that is no terminal."""
    if flags.sentences:
        lines = read_lines(flags.sentences)
        found = viewer.given_lines(lines, run.task, str(flags.sentences))
        if not found:
            raise ValueError(f"--sentences={flags.sentences} must have a sentence; it has none.")
        return found
    if sys.stdin is None or sys.stdin.isatty():
        return []
    with progress.waiting("sentences on standard input"):
        return viewer.given_lines(lines_of(sys.stdin.buffer, _INPUT), run.task, _INPUT)


def examples(
    flags: argparse.Namespace,
    run: runs.Run,
    lines: Sequence[viewer.Given],
    progress: training.Progress,
) -> list[viewer.Given]:
    """Returns the first sentences of the test split, if asked for or if there are no others."""
    count = flags.examples or (0 if lines else _EXAMPLES)
    if not count:
        return []
    split = run.config.evaluation.test_split
    pairs = run.pairs(split, flags.cache_dir.expanduser(), progress.say)
    given = (viewer.Given(*pair) for pair in pairs)
    found, passed = viewer.first_that_fit(run.vocabulary, given, count)
    if passed:
        progress.say(f"{passed} of the {split} split are too long to look at and passed over.")
    return found


def adding(
    argv: Sequence[str], flags: argparse.Namespace, lines: Sequence[viewer.Given]
) -> dict[str, str]:
    """Returns what to type before and after a sentence to have it in the page too."""
    again = f"{_MODULE} {shlex.join(argv)}"
    if flags.sentences:
        file = shlex.quote(str(flags.sentences))
        # The file's last line may have no end; empty lines are nothing.
        return {"before": "printf '\\n%s\\n' ", "after": f" >> {file} && {again}", "with": ""}
    if not lines and not flags.examples:
        again += f" --examples={_EXAMPLES}"
    others = "Give it together with the lines of this page. " if lines else ""
    return {"before": "printf '%s\\n' ", "after": f" | {again}", "with": others}


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdir", type=pathlib.Path, required=True, help="a trained run")
    arguments.add_argument("--sentences", type=pathlib.Path, help="a file, one sentence a line")
    arguments.add_argument(
        "--examples",
        type=int,
        help=f"sentences of the test split (default: {_EXAMPLES} if no others are given)",
    )
    arguments.add_argument(
        "--out", type=pathlib.Path, help="an HTML file (default: attention.html in the workdir)"
    )
    arguments.add_argument("--beam_size", type=int, help="default: the run's config; 1 is greedy")
    command.add_checkpoints(arguments)
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


if __name__ == "__main__":
    command.run(main)
