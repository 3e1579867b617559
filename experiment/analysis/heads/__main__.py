"""Measures what a run loses with each of its heads, one at a time, and with each layer's.

    python -m experiment.analysis.heads --workdir=runs/multi30k --out=docs

Writes FOLDER/heads.md, FOLDER/heads.csv and FOLDER/heads.png: the change of the loss, and of the
BLEU of greedy translations. A heads.md that is there keeps its text: only what stands between its
markers is replaced. All heads are removed in one compiled call; `python -m benchmarks heads` has
the time that it saves.
"""

import argparse
import pathlib

from experiment import command
from experiment.analysis import heads, load, plots
from experiment.analysis.page import Page, add_page, measured_by
from experiment.data import write_file
from experiment.training import Progress, use_compilation_cache

_TRANSLATED = 200  # sentences, of a run that translates


def main(argv: list[str]) -> None:
    """Measures, writes the tables and the figure."""
    flags = parse(argv)
    progress = Progress()
    with command.user_errors():
        command.check_positive(flags, "average", "step", "pairs")
        if flags.sentences is not None and flags.sentences < 0:
            raise ValueError(f"--sentences={flags.sentences} must be at least 0: none, no BLEU.")
        page = Page.opened(flags.out, "heads", "What each head is good for")
        run = load(flags.workdir, average=flags.average, step=flags.step, say=progress.say)
        sentences = to_translate(flags.sentences, run.task.name)
        use_compilation_cache(flags.cache_dir)
        pairs = run.pairs(flags.split, flags.cache_dir.expanduser(), progress.say)[: flags.pairs]
        table = heads.ablate(run, pairs, sentences=sentences, say=progress.update)
        progress.update("the loss without each layer's")
        layers = heads.ablate_layers(run, pairs)
    progress.clear()
    translated = f", the first {min(sentences, len(pairs)):,} translated" * bool(sentences)
    given = f"{run.workdir.path.name}, {len(pairs):,} sentence pairs of {flags.split}{translated}."
    source = f"Mean of {len(run.steps)} checkpoints up to step {run.steps[-1]:,}; {measured_by()}."
    tables = heads.markdown(table, layers, given=given, source=source)
    with command.machine_errors():
        written = page.write(tables, plots.draw_heads(table))
        rows = table.to_csv(index=False, float_format="%.6g")
        write_file(page.path("csv"), rows.encode())
    print(f"{written}, {page.path('csv')}: {len(table)} heads")


def to_translate(asked: int | None, task: str) -> int:
    """Returns how many sentences are translated without each head, of a run of a task.

    Raises:
      ValueError: if some are asked for and the run does not translate.
    """
    if task == "translation":
        return _TRANSLATED if asked is None else asked
    if asked:
        raise ValueError(
            f"--sentences={asked} must be 0, or not be given: this run is of {task}, and BLEU is "
            "of translations."
        )
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdir", type=pathlib.Path, required=True, help="a trained run")
    add_page(arguments)
    arguments.add_argument("--split", default="validation", help="of the run's corpus")
    arguments.add_argument("--pairs", type=int, help="the first so many only (default: all)")
    arguments.add_argument(
        "--sentences",
        type=int,
        help=f"translated without each head; 0: no BLEU (default: {_TRANSLATED}, of a translator)",
    )
    command.add_checkpoints(arguments)
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


if __name__ == "__main__":
    command.run(main)
