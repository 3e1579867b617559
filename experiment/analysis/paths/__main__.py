"""Measures table 1 of the paper: operations, sequential operations and path lengths of layers.

    python -m experiment.analysis.paths --out=docs

Writes FOLDER/table1.md and FOLDER/table1.png. A table1.md that is there keeps its text: only what
stands between its markers is replaced. Operations are counted and not timed, so the machine does
not matter; `python -m benchmarks layers` has the times.
"""

import argparse
import pathlib

import jax

from experiment import command
from experiment.analysis import documents, paths, plots
from experiment.data import write_file
from experiment.training import Progress, commit


def main(argv: list[str]) -> None:
    """Measures, writes the table and the figure."""
    flags = parse(argv)
    with command.user_errors():
        sizes = paths.Sizes(**{name: tuple(getattr(flags, name)) for name in _SIZES})
        table, figure = flags.out / "table1.md", flags.out / "table1.png"
        text = documents.read_or_begun(table, "Table 1, measured")
    progress = Progress()
    rows = list(paths.measure(sizes, progress.update))
    progress.clear()
    source = (
        f"Counted by XLA in jax {jax.__version__} on {jax.default_backend()}, commit {commit()}."
    )
    measured = paths.markdown(rows, sizes, source=source)
    with command.machine_errors():
        write_file(table, documents.put_between_markers(text, measured).encode())
        plots.save(plots.draw_table1(rows), figure)
    print(f"{table}, {figure}: {len(rows)} kinds of layers")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--out", type=pathlib.Path, required=True, help="a folder")
    for name, text in _SIZES.items():
        sizes = getattr(paths.Sizes(), name)
        text = f"{text} (default: {' '.join(map(str, sizes))})"
        arguments.add_argument(
            f"--{name}", type=int, nargs="+", default=sizes, metavar="SIZE", help=text
        )
    return arguments.parse_args(argv)


_SIZES = {
    "lengths": "positions n of a sentence",
    "d_models": "widths d",
    "windows": "positions r that restricted self-attention sees",
    "kernels": "positions k that a convolution sees",
    "path_lengths": "positions n of the sentences that paths are looked for in",
}


if __name__ == "__main__":
    command.run(main)
