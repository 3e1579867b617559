"""python -m benchmarks NAME [--config=... --config.SECTION.NAME=VALUE ...]."""

import argparse

from benchmarks import batching
from experiment import command

BENCHMARKS = {"batching": batching.main}


def main(argv: list[str]) -> None:
    """Runs the benchmark that is named."""
    arguments = command.parser(__doc__)
    arguments.add_argument("name", choices=BENCHMARKS, nargs="?", default="batching")
    arguments.add_argument("--config", default="configs/numbers.py")
    arguments.add_argument("--batches", type=int, default=20, help="steps a round")
    arguments.add_argument("--rounds", type=int, default=7)
    command.add_cache_dir(arguments)
    flags, overrides = arguments.parse_known_args(argv)
    with command.user_errors():
        BENCHMARKS[flags.name](argparse.Namespace(**vars(flags), overrides=overrides))


if __name__ == "__main__":
    command.run(main)
