"""Trains every scheme of positions on short numbers, and measures it on longer ones.

    python -m experiment.analysis.positions --out=docs

Writes FOLDER/positions.md and FOLDER/positions.png: exact translations and loss by the number of
words, a curve a scheme. A positions.md that is there keeps its text: only what stands between its
markers is replaced.
"""

import argparse

from experiment import command
from experiment.analysis import plots, positions
from experiment.analysis.page import Page, add_page, add_settings, measured_by, settings_of
from experiment.training import Progress


def main(argv: list[str]) -> None:
    """Trains, measures, writes the tables and the figure."""
    flags = parse(argv)
    with command.user_errors():
        settings = positions.Settings(**settings_of(flags, _HELP))
        settings.check(flags.schemes)
        page = Page.opened(flags.out, "positions", "Longer than any that was trained on")
    progress = Progress()
    scores = positions.joined(positions.measure(settings, progress.update, flags.schemes))
    progress.clear()
    source = f"Measured with {measured_by()}."
    data = settings.data()
    vocabulary = settings.vocabulary(data)
    trained, tested = (positions.longest(vocabulary, of) for of in (data.train, data.test))
    tables = positions.markdown(scores, settings, trained=trained, tested=tested, source=source)
    with command.machine_errors():
        written = page.write(tables, plots.draw_extrapolation(scores, settings.trained_words))
    print(f"{written}: {', '.join(flags.schemes)}")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    add_page(arguments)
    arguments.add_argument(
        "--schemes",
        nargs="+",
        default=positions.SCHEMES,
        choices=positions.SCHEMES,
        metavar="SCHEME",
        help=f"of model.positions (default: {' '.join(positions.SCHEMES)})",
    )
    add_settings(arguments, positions.Settings(), _HELP)
    return arguments.parse_args(argv)


_HELP = {
    "trained_words": "the most words of a number that is trained on",
    "pairs": "pairs trained on, of each number of words",
    "tested": "pairs tested on, of each number of words",
    "d_model": "width of the model",
    "num_layers": "layers of each stack",
    "steps": "updates",
    "warmup_steps": "updates until the learning rate is highest",
    "tokens_per_batch": "tokens of an update, of either side",
    "seeds": "trained of each scheme, together",
}


if __name__ == "__main__":
    command.run(main)
