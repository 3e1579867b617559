"""Measures how far back a Transformer, LSTMs and convolutions look, at equal size and training.

    python -m experiment.analysis.long_range --out=docs

Writes FOLDER/long_range.md and FOLDER/long_range.png: the size of gradients by how far back they
arrive, before training, and how often a value is recalled from so far back, after it. A
long_range.md that is there keeps its text: only what stands between its markers is replaced.
"""

import argparse

from experiment import command
from experiment.analysis import long_range, plots
from experiment.analysis.page import Page, add_page, add_settings, measured_by, settings_of
from experiment.training import Progress


def main(argv: list[str]) -> None:
    """Measures, writes the tables and the figure."""
    flags = parse(argv)
    with command.user_errors():
        settings = long_range.Settings(**settings_of(flags, _HELP))
        page = Page.opened(flags.out, "long_range", "How far each system looks back")
    progress = Progress()
    sights = list(long_range.measure(settings, progress.update))
    progress.clear()
    tables = long_range.markdown(sights, settings, source=f"Measured with {measured_by()}.")
    with command.machine_errors():
        written = page.write(tables, plots.draw_long_range(sights, settings))
    print(f"{written}: {', '.join(sight.system for sight in sights)}")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    add_page(arguments)
    add_settings(arguments, long_range.Settings(), _HELP)
    return arguments.parse_args(argv)


_HELP = {
    "length": "tokens of a text",
    "num_keys": "keys, each with a value",
    "num_fillers": "other words",
    "d_model": "width of the Transformer",
    "num_layers": "layers of each stack of each system",
    "steps": "updates",
    "rows": "texts of an update",
    "seeds": "trained of each system and side",
}


if __name__ == "__main__":
    command.run(main)
