"""Trains every scheme of positions on short numbers, and measures it on longer ones.

    python -m experiment.analysis.positions --out=docs

Writes FOLDER/positions.md and FOLDER/positions.png: exact translations and loss by the number of
words, a curve a scheme. A positions.md that is there keeps its text: only what stands between its
markers is replaced.
"""

import argparse
import dataclasses
import pathlib

import jax

from experiment import command
from experiment.analysis import documents, plots, positions
from experiment.data import write_file
from experiment.training import Progress, commit


def main(argv: list[str]) -> None:
    """Trains, measures, writes the tables and the figure."""
    flags = parse(argv)
    with command.user_errors():
        names = [field.name for field in dataclasses.fields(positions.Settings)]
        settings = positions.Settings(**{name: getattr(flags, name) for name in names})
        settings.check(flags.schemes)
        document, figure = flags.out / "positions.md", flags.out / "positions.png"
        text = documents.read_or_begun(document, "Longer than any that was trained on")
    progress = Progress()
    scores = positions.joined(positions.measure(settings, progress.update, flags.schemes))
    progress.clear()
    source = f"Measured with jax {jax.__version__} on {jax.default_backend()}, commit {commit()}."
    data = settings.data()
    vocabulary = settings.vocabulary(data)
    trained, tested = (positions.longest(vocabulary, of) for of in (data.train, data.test))
    measured = positions.markdown(scores, settings, trained=trained, tested=tested, source=source)
    with command.machine_errors():
        write_file(document, documents.put_between_markers(text, measured).encode())
        plots.save(plots.draw_extrapolation(scores, settings.trained_words), figure)
    print(f"{document}, {figure}: {', '.join(flags.schemes)}")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--out", type=pathlib.Path, required=True, help="a folder")
    arguments.add_argument(
        "--schemes",
        nargs="+",
        default=positions.SCHEMES,
        choices=positions.SCHEMES,
        metavar="SCHEME",
        help=f"of model.positions (default: {' '.join(positions.SCHEMES)})",
    )
    for name, text in _HELP.items():
        default = getattr(positions.Settings(), name)
        arguments.add_argument(f"--{name}", type=int, default=default, help=f"{text} ({default})")
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
