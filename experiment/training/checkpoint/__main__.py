"""What can be done to the checkpoints of a run from the command line.

    python -m experiment.training.checkpoint verify runs/multi30k
    python -m experiment.training.checkpoint average runs/multi30k --last=5 --to=runs/multi30k_mean
    python -m experiment.training.checkpoint seal runs/old

`verify` reads every checkpoint and says whether it is what was written (exit code 4 if one is not).
`average` writes a new workdir with the mean of the newest checkpoints' parameters (section 6.1);
evaluate.py and translate.py take it as any run, train.py cannot go on from it. `seal` gives a
manifest to checkpoints of a program that wrote none, or that were copied without: from then on
they are checked, and until then nobody knows whether they are what was written.
"""

import argparse
import contextlib
import pathlib

from experiment import command, training
from experiment.errors import NoGoodCheckpoint


def main(argv: list[str]) -> None:
    """Reads the flags, does what they say."""
    flags = parse(argv)
    with command.user_errors():
        {"average": average, "seal": seal, "verify": verify}[flags.command](flags)


def average(flags: argparse.Namespace) -> None:
    """Writes a workdir with a mean."""
    command.check_positive(flags, "last")
    progress = training.Progress()
    with progress.waiting("the checkpoints to be read"):
        steps = training.average_run(
            training.Workdir(flags.workdir), last=flags.last, to=flags.to, say=progress.say
        )
    print(f"{flags.to}: the mean of the checkpoints {', '.join(map(str, steps))}")


def verify(flags: argparse.Namespace) -> None:
    """Prints a line for each checkpoint."""
    workdir = _with_checkpoints(flags.workdir)
    progress = training.Progress()
    checkpoints = training.Checkpoints(workdir.checkpoints)
    for step in (steps := checkpoints.steps()):
        progress.update(f"reading step {step:,} of {', '.join(map(str, steps))}")
        with contextlib.suppress(training.Gone, training.Damaged):
            with progress.waiting(f"step {step:,} to be read"):
                checkpoints.check(step)
            digest = checkpoints.digest(step)
            progress.clear()
            print(f"step {step:,}: as it was written, digest {digest}")
    progress.clear()
    for step, reason in sorted(checkpoints.damaged.items()):
        print(f"step {step:,}: DAMAGED: {reason}")
    if len(checkpoints.damaged) >= len(steps):
        checkpoints.check_none_is_lost()
    if checkpoints.damaged:
        raise NoGoodCheckpoint(
            f"{workdir.path}: {len(checkpoints.damaged)} of its checkpoints are damaged. Training "
            "leaves them out, and goes on from the newest that is whole."
        )
    if not steps:
        raise ValueError(f"{workdir.path} has no checkpoint yet. Let its training go on.")


def seal(flags: argparse.Namespace) -> None:
    """Gives a manifest to what has none."""
    workdir = _with_checkpoints(flags.workdir)
    progress = training.Progress()
    with training.locked(workdir.path, progress.say), progress.waiting("what is there to be read"):
        sealed = training.seal(workdir.checkpoints)
    print(f"{workdir.path}: sealed the checkpoints {', '.join(map(str, sealed)) or 'none'}")


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    commands = arguments.add_subparsers(dest="command", required=True)
    helps = {
        "verify": "read every checkpoint, and say whether it is what was written",
        "average": "keep the mean of the newest checkpoints",
        "seal": "take checkpoints without a manifest as they are",
    }
    for name, text in helps.items():
        one = commands.add_parser(name, help=text, allow_abbrev=False)
        one.add_argument("workdir", type=pathlib.Path, metavar="WORKDIR", help="a trained run")
        if name == "average":
            one.add_argument("--last", type=int, required=True, help="so many, the newest")
            one.add_argument("--to", type=pathlib.Path, required=True, help="a folder that is new")
    return arguments.parse_args(argv)


def _with_checkpoints(path: pathlib.Path) -> training.Workdir:
    workdir = training.Workdir(path)
    workdir.read_config()  # refuses what is no run
    if not workdir.checkpoints.is_dir():
        raise ValueError(f"{workdir.path} has no checkpoint yet. Let its training go on.")
    return workdir


if __name__ == "__main__":
    command.run(main)
