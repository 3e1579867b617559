"""What can be done to the checkpoints of a run from the command line.

    python -m experiment.training.checkpoint average runs/multi30k --last=5 --to=runs/multi30k_mean

`average` writes a new workdir with the mean of the newest checkpoints' parameters (section 6.1).
evaluate.py and translate.py take it as any run; train.py cannot go on from it.
"""

import argparse
import pathlib

from experiment import command, training


def main(argv: list[str]) -> None:
    """Reads the flags, does what they say."""
    flags = parse(argv)
    with command.user_errors():
        command.check_positive(flags, "last")
        steps = training.average_run(training.Workdir(flags.workdir), last=flags.last, to=flags.to)
    print(f"{flags.to}: the mean of the checkpoints {', '.join(map(str, steps))}")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    commands = arguments.add_subparsers(dest="command", required=True)
    average = commands.add_parser(
        "average", help="keep the mean of the newest checkpoints", allow_abbrev=False
    )
    average.add_argument("workdir", type=pathlib.Path, metavar="WORKDIR", help="a trained run")
    average.add_argument("--last", type=int, required=True, help="so many, the newest")
    average.add_argument("--to", type=pathlib.Path, required=True, help="a folder that is new")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    command.run(main)
