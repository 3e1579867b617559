"""Measures table 1 of the paper: operations, sequential operations and path lengths of layers.

    python -m experiment.analysis.paths --out=docs

Writes FOLDER/table1.md and FOLDER/table1.png. A table1.md that is there keeps its text: only what
stands between its markers is replaced. Operations are counted and not timed, so the machine does
not matter; `python -m benchmarks layers` has the times.
"""

import argparse

from experiment import command
from experiment.analysis import paths, plots
from experiment.analysis.page import Page, add_page, add_settings, measured_by, settings_of
from experiment.training import Progress


def main(argv: list[str]) -> None:
    """Measures, writes the table and the figure."""
    flags = parse(argv)
    with command.user_errors():
        sizes = paths.Sizes(**settings_of(flags, _SIZES))
        page = Page.opened(flags.out, "table1", "Table 1, measured")
    progress = Progress()
    rows = list(paths.measure(sizes, progress.update))
    progress.clear()
    tables = paths.markdown(rows, sizes, source=f"Counted by XLA in {measured_by()}.")
    with command.machine_errors():
        written = page.write(tables, plots.draw_table1(rows))
    print(f"{written}: {len(rows)} kinds of layers")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    add_page(arguments)
    add_settings(arguments, paths.Sizes(), _SIZES)
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
