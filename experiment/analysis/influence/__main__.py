"""Draws what each word of a sentence is made of, in the encoders of several runs side by side.

    python -m experiment.analysis.influence --out=docs \
        --workdirs runs/multi30k_recurrent runs/multi30k_convolutional runs/multi30k

Writes FOLDER/influence.png.
"""

import argparse
import pathlib

from experiment import command
from experiment.analysis import load, plots
from experiment.analysis.influence import influence

SENTENCE = (
    "A brown dog with a red collar is chasing a small white cat across the green grass in the park."
)
_TITLES = {
    "recurrent": "RNN: through a slit",
    "convolutional": "CNN: through a magnifying glass",
    "transformer": "Transformer: the whole page",
}


def main(argv: list[str]) -> None:
    """Looks into every run, and writes the figure."""
    flags = parse(argv)
    seen = {}
    with command.user_errors():
        if not flags.out.is_dir():
            raise ValueError(f"--out={flags.out} must be a folder that is there.")
        for path in flags.workdirs:
            print(f"{path} ...", flush=True)
            run = load(path)
            title = _TITLES.get(run.config.model.system, run.config.model.system)
            if title in seen:
                title = f"{title} ({path})"
            seen[title] = influence(run, flags.sentence)
    figure = flags.out / "influence.png"
    with command.machine_errors():
        plots.save(plots.draw_influence(seen), figure)
    print(figure)


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdirs", type=pathlib.Path, nargs="+", required=True)
    arguments.add_argument("--sentence", default=SENTENCE, help="in the source language")
    arguments.add_argument("--out", type=pathlib.Path, required=True, help="a folder")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    command.run(main)
