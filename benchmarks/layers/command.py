"""How long one layer of each kind of table 1 takes, against sentences and widths that double.

    python -m benchmarks layers
    python -m benchmarks layers --out=docs

All kinds are computed in turn at each size, forward and with gradients. Every time and its ratio to
self-attention's is printed. --out=FOLDER writes FOLDER/layer_times.md and FOLDER/layer_times.png as
well; a layer_times.md that is there keeps its text: only what stands between its markers is
replaced.
"""

import argparse

from benchmarks.layers.figure import draw
from benchmarks.layers.table import markdown, told
from benchmarks.layers.timing import Times, timed
from experiment import command
from experiment.analysis.page import Page, add_page, measured_by
from experiment.analysis.paths import Kind, Sizes, kinds
from experiment.analysis.paths.layers import NUM_HEADS
from experiment.training import Progress, use_compilation_cache


def main(argv: list[str]) -> None:
    """Times, prints, and writes the page if one is asked for."""
    flags = parse(argv)
    with command.user_errors():
        chosen = chosen_kinds(flags)
        page = Page.opened(flags.out, "layer_times", "Table 1, timed") if flags.out else None
        use_compilation_cache(flags.cache_dir)
    progress, everything = Progress(), []
    n, d = max(flags.lengths), max(flags.d_models)
    for backward in (False, True):
        for varied, fixed, sizes in (
            ("n", f"d = {d}", {size: (size, d) for size in flags.lengths}),
            ("d", f"n = {n}", {size: (n, size) for size in flags.d_models}),
        ):
            shapes = {size: (flags.sentences, *shape) for size, shape in sizes.items()}
            seconds = timed(
                chosen, shapes, backward=backward, rounds=flags.rounds, say=progress.update
            )
            progress.clear()
            times = Times(backward, varied, fixed, seconds)
            print(f"{times.what}, {flags.sentences} sentences", *told(times), sep="\n  ")
            everything.append(times)
    if page:
        source = (
            f"Medians of {flags.rounds} rounds, lowest to highest in brackets, of "
            f"{flags.sentences} sentences at once; measured with {measured_by()}."
        )
        with command.machine_errors():
            written = page.write(markdown(chosen, everything, source=source), draw(everything))
        print(f"{written}: {len(chosen)} kinds of layers")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    add_page(arguments, required=False)
    arguments.add_argument("--lengths", type=int, nargs="+", default=[64, 128, 256, 512])
    arguments.add_argument("--d_models", type=int, nargs="+", default=[64, 128, 256, 512])
    arguments.add_argument("--window", type=int, default=9, help="positions r")
    arguments.add_argument("--kernel", type=int, default=3, help="positions k")
    arguments.add_argument("--sentences", type=int, default=8, help="at once")
    arguments.add_argument("--rounds", type=int, default=7)
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


def chosen_kinds(flags: argparse.Namespace) -> list[Kind]:
    """Returns what is timed: whole layers, so attention with its projections.

    Raises:
      ValueError: if a size cannot be.
    """
    command.check_positive(flags, "sentences", "rounds")
    for name in ("window", "kernel"):
        if getattr(flags, name) < 2:
            raise ValueError(f"--{name}={getattr(flags, name)} must be at least 2 positions.")
    for name in ("lengths", "d_models"):
        sizes = getattr(flags, name)
        if sizes != sorted(set(sizes)):
            raise ValueError(f"--{name} must be ascending sizes, not {' '.join(map(str, sizes))}.")
        if min(sizes) < 1:
            raise ValueError(f"--{name} must be at least 1, not {min(sizes)}.")
        if flags.out and len(set(sizes)) < 2:
            raise ValueError(f"--{name} must be two sizes or more for --out, not {sizes[0]} alone.")
    if any(size % NUM_HEADS for size in flags.d_models):
        raise ValueError(
            f"--d_models={flags.d_models} must be multiples of {NUM_HEADS}, its heads."
        )
    sizes = Sizes(
        windows=(flags.window, 2 * flags.window), kernels=(flags.kernel, 2 * flags.kernel)
    )
    whole = {"recurrent", *(kind.name for kind in kinds(sizes) if "projections" in kind.name)}
    convolutions = [kind.name for kind in kinds(sizes) if kind.name.startswith("convolutional")]
    whole.add(convolutions[0])  # the first layer of dilated ones is the same
    return [kind for kind in kinds(sizes) if kind.name in whole]
