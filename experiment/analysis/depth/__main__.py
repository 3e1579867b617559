"""Measures what residuals and norms do for deep stacks: signals before training, and training.

    python -m experiment.analysis.depth --out=docs

Writes FOLDER/depth.md and FOLDER/depth.png: activations and gradients layer by layer, with and
without residuals and norms, and whether such models learn. A depth.md that is there keeps its
text: only what stands between its markers is replaced.
"""

import argparse

from experiment import command
from experiment.analysis import depth, plots
from experiment.analysis.page import Page, add_page, add_settings, measured_by, settings_of
from experiment.training import Progress


def main(argv: list[str]) -> None:
    """Measures, writes the tables and the figure."""
    flags = parse(argv)
    with command.user_errors():
        settings = depth.Settings(**settings_of(flags, _HELP))
        page = Page.opened(flags.out, "depth", "Residuals and norms as the stabilisers of depth")
    progress = Progress()
    found = depth.measure(settings, progress.update)
    progress.clear()
    tables = depth.markdown(found, settings, source=f"Measured with {measured_by()}.")
    with command.machine_errors():
        written = page.write(tables, plots.draw_depth(found, settings))
    print(f"{written}: {', '.join(depth.VARIANTS)}")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    add_page(arguments)
    add_settings(arguments, depth.Settings(), _HELP)
    return arguments.parse_args(argv)


_HELP = {
    "depths": "numbers of layers",
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
