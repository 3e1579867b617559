"""Measures how far back a Transformer, LSTMs and convolutions look, at equal size and training.

    python -m experiment.analysis.long_range --out=docs

Writes FOLDER/long_range.md and FOLDER/long_range.png: the size of gradients by how far back they
arrive, before training, and how often a value is recalled from so far back, after it. A
long_range.md that is there keeps its text: only what stands between its markers is replaced.
"""

import argparse
import dataclasses
import pathlib

import jax

from experiment import command
from experiment.analysis import documents, long_range, plots
from experiment.data import write_file
from experiment.training import Progress, commit


def main(argv: list[str]) -> None:
    """Measures, writes the tables and the figure."""
    flags = parse(argv)
    with command.user_errors():
        names = [field.name for field in dataclasses.fields(long_range.Settings)]
        settings = long_range.Settings(**{name: getattr(flags, name) for name in names})
        document, figure = flags.out / "long_range.md", flags.out / "long_range.png"
        text = documents.read_or_begun(document, "How far each system looks back")
    progress = Progress()
    sights = list(long_range.measure(settings, progress.update))
    progress.clear()
    source = f"Measured with jax {jax.__version__} on {jax.default_backend()}, commit {commit()}."
    measured = long_range.markdown(sights, settings, source=source)
    with command.machine_errors():
        write_file(document, documents.put_between_markers(text, measured).encode())
        plots.save(plots.draw_long_range(sights, settings), figure)
    print(f"{document}, {figure}: {', '.join(sight.system for sight in sights)}")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--out", type=pathlib.Path, required=True, help="a folder")
    for name, text in _HELP.items():
        default = getattr(long_range.Settings(), name)
        arguments.add_argument(f"--{name}", type=int, default=default, help=f"{text} ({default})")
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
