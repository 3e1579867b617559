"""Measures what residuals and norms do for deep stacks: signals before training, and training.

    python -m experiment.analysis.depth --out=docs

Writes FOLDER/depth.md and FOLDER/depth.png: activations and gradients layer by layer, with and
without residuals and norms, and whether such models learn. A depth.md that is there keeps its
text: only what stands between its markers is replaced.
"""

import argparse
import pathlib

import jax

from experiment import command
from experiment.analysis import depth, documents, plots
from experiment.data import write_file
from experiment.training import Progress, commit


def main(argv: list[str]) -> None:
    """Measures, writes the tables and the figure."""
    flags = parse(argv)
    with command.user_errors():
        given = {name: getattr(flags, name) for name in _HELP}
        settings = depth.Settings(depths=tuple(flags.depths), **given)
        document, figure = flags.out / "depth.md", flags.out / "depth.png"
        text = documents.read_or_begun(document, "Residuals and norms as the stabilisers of depth")
    progress = Progress()
    found = depth.measure(settings, progress.update)
    progress.clear()
    source = f"Measured with jax {jax.__version__} on {jax.default_backend()}, commit {commit()}."
    measured = depth.markdown(found, settings, source=source)
    with command.machine_errors():
        write_file(document, documents.put_between_markers(text, measured).encode())
        plots.save(plots.draw_depth(found, settings), figure)
    print(f"{document}, {figure}: {', '.join(depth.VARIANTS)}")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--out", type=pathlib.Path, required=True, help="a folder")
    defaults = depth.Settings()
    sizes = " ".join(map(str, defaults.depths))
    arguments.add_argument(
        "--depths",
        type=int,
        nargs="+",
        default=defaults.depths,
        metavar="LAYERS",
        help=f"numbers of layers ({sizes})",
    )
    for name, text in _HELP.items():
        default = getattr(defaults, name)
        arguments.add_argument(
            f"--{name}", type=type(default), default=default, help=f"{text} ({default})"
        )
    return arguments.parse_args(argv)


_HELP = {
    "d_model": "width of the models",
    "num_heads": "heads of a layer",
    "length": "tokens of a text",
    "num_keys": "keys, each with a value",
    "num_fillers": "other words",
    "steps": "updates",
    "rows": "texts of an update",
    "seeds": "trained of each variant and depth",
    "warmup_steps": "updates until the rate is reached, where there is warm-up",
    "rate": "learning rate behind warm-up",
}


if __name__ == "__main__":
    command.run(main)
