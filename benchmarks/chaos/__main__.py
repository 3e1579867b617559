"""Kills a run of train.py again and again, and damages a checkpoint in every byte.

    make chaos                                     50 kills and every byte: half an hour
    python -m benchmarks.chaos --kills=200 --seed=1
    python -m benchmarks.chaos --kills=5 --every=100                      a first impression

A run on numbers in words is killed (SIGKILL) at random, in all that it does and above all while it
saves, and started again by the same command, until it has finished. What it leaves must be what a
run leaves that was never killed: arrays, metrics, results and translations, bit for bit. That goes
on with one run after another until --kills are made. Then a bit is flipped in each byte of each
file of a checkpoint, and each file is cut off and deleted: what is restored must be what was saved.
Prints a summary; the exit code is 1 if anything was lost, double, unequal or not noticed.
"""

import argparse
import logging
import pathlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.chaos import damage, summary, watched
from benchmarks.chaos.compared import differences, litter
from benchmarks.chaos.kills import AIMS, Kill, Killed, killed, uninterrupted
from experiment import command
from experiment.training import Progress, duration

# What is logged, saved and evaluated falls together now and then only.
RUN = {
    "data.vocab_size": 300,
    "model.d_model": 16,
    "model.d_ff": 32,
    "model.num_heads": 2,
    "model.num_layers": 1,
    "train.tokens_per_batch": 384,
    "train.num_steps": 240,
    "train.warmup_steps": 50,
    "train.log_every": 3,
    "train.evaluate_every": 50,
    "train.save_every": 10,
    "train.keep_checkpoints": 3,
    "decode.beam_size": 2,
    "decode.max_extra_tokens": 5,
    "evaluation.validation_sentences": 8,
    "evaluation.average_checkpoints": 3,
}
# What is damaged: as few bytes as there can be.
RESTORED = 200  # of the times that it is; the others cost a hundredth, as nothing is restored
SMALL = {"model.d_model": 4, "model.d_ff": 4, "model.num_heads": 1, "train.num_steps": 20}


def main(argv: list[str]) -> None:
    """Does both, prints what came of it."""
    flags = parse(argv)
    progress, began = Progress(), time.monotonic()
    logging.getLogger("absl").setLevel(logging.CRITICAL)  # Orbax remarks on all that is damaged
    with command.user_errors():
        command.check_positive(flags, "kills", "every", "bits")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="chaos-", dir=flags.folder))
    cache = f"--cache_dir={folder / 'cache'}"
    runs, troubles = kill(flags, [*settings(RUN), cache], folder, progress)
    outcomes = flip(flags, [*settings({**RUN, **SMALL}), cache], folder, progress)
    troubles += outcomes.troubles
    print(summary.of(runs, outcomes, argv, time.monotonic() - began))
    if troubles:
        print("\n".join(troubles), f"FAILED, faults: {len(troubles)}; {folder} is kept.", sep="\n")
        sys.exit(1)
    shutil.rmtree(folder)
    print("All runs are what they would have been; no damage went unnoticed.")


def kill(
    flags: argparse.Namespace, arguments: Sequence[str], folder: pathlib.Path, progress: Progress
) -> tuple[list[Killed], list[str]]:
    """Returns what befell the killed runs, and what is wrong with them."""
    progress.say("Training without a kill, twice: once to fill the cache, once to take the times.")
    plain = folder / "plain"
    uninterrupted(arguments, folder / "first")
    times = uninterrupted(arguments, plain)
    troubles = [f"never killed: {each}" for each in differences(folder / "first", plain)]
    progress.say(f"Now {flags.kills} kills.")
    chance, runs = random.Random(flags.seed), list[Killed]()
    done, tell = 0, _teller(flags.kills, progress)
    while done < flags.kills:
        workdir = folder / f"killed_{len(runs)}"
        early = chance.randrange(1, RUN["train.num_steps"] // 2)
        aims = [early, *chance.sample(AIMS, len(AIMS)), watched.SCORING]
        run = killed(arguments, workdir, times, aims[: flags.kills - done], chance, tell)
        found = [f"{workdir}: {each}" for each in [*run.troubles(), *differences(workdir, plain)]]
        runs.append(run._replace(litter=litter(workdir, plain)))
        done += len(run.kills)
        progress.say(f"{workdir.name}: {len(run.kills)} kills, {len(found)} differences")
        troubles += found
        if not found:
            shutil.rmtree(workdir)
    return runs, troubles


def _teller(total: int, progress: Progress) -> Callable[[Kill], None]:
    began, kills = time.monotonic(), list[Kill]()

    def tell(kill: Kill) -> None:
        kills.append(kill)
        left = (time.monotonic() - began) / len(kills) * (total - len(kills))
        progress.say(
            f"kill {len(kills)} of {total}: step {kill.step}, {kill.state}; {duration(left)} left"
        )

    return tell


def flip(
    flags: argparse.Namespace, arguments: Sequence[str], folder: pathlib.Path, progress: Progress
) -> damage.Outcomes:
    """Returns what became of a damaged checkpoint."""
    progress.say("Training the small run whose checkpoint is damaged.")
    uninterrupted(arguments, folder / "small")
    copy = damage.copied(folder / "small", folder / "copy" / "checkpoints")
    total = damage.number_of_trials(copy, every=flags.every, bits=flags.bits)
    began = time.monotonic()

    def tell(done: int) -> None:
        if done % 100 == 0:
            left = duration((time.monotonic() - began) / (done + 1) * (total - done))
            progress.update(f"damaged {done:,} of about {total:,} times; {left} left")

    chance = random.Random(flags.seed)
    trials = damage.trials(copy, every=flags.every, bits=flags.bits, chance=chance)
    return damage.outcomes(copy, trials, restored=RESTORED / total, chance=chance, tell=tell)


def settings(values: Mapping[str, object]) -> list[str]:
    """Returns them as flags of train.py."""
    return [f"--config.{name}={value}" for name, value in values.items()]


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--kills", type=int, default=50)
    arguments.add_argument("--seed", type=int, default=0, help="of the delays and of the bits")
    arguments.add_argument("--every", type=int, default=1, help="so-many-th byte is damaged")
    arguments.add_argument("--bits", type=int, default=1, help="of each such byte, one by one")
    arguments.add_argument("--folder", type=pathlib.Path, help="where all of it is written")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    command.run(main)
