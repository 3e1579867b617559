"""The edge of the commands: arguments in, exit code out, errors as one line.

| exit code | meaning                                                        |
|-----------|----------------------------------------------------------------|
| 0         | done                                                           |
| 1         | a fault of the program, with its traceback                     |
| 2         | bad input, with one line that says what and what to do instead |
| 3         | another process is writing in the workdir                      |
| 4         | a checkpoint that is needed is damaged, and no other will do   |
| 5         | the machine failed: disk full, folder or other process gone    |
| 6         | the loss is not finite any more, of one seed at least          |
| 42        | asked to stop; saved, and resumable by the same command        |
| 130       | interrupted where there was nothing to save                    |
"""

import argparse
import contextlib
import dataclasses
import errno
import logging
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import NoReturn

from experiment.config import DecodeConfig
from experiment.errors import Failure, MachineFailed

BAD_INPUT = 2
OF_SAMPLES = ("temperature", "top_k", "top_p", "seed")
DECODE_FLAGS = ("beam_size", "length_penalty", *OF_SAMPLES)
PREEMPTED = 42
_OF_THE_MACHINE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
)
_GOES_ON = (
    ". What was saved before is whole; once this is mended, the same command goes on from there."
)
INTERRUPTED = 130


def fail(message: str, code: int) -> NoReturn:
    """Ends the command with one line on standard error; having been asked to is no error."""
    clear = "\r\033[K" if sys.stderr.isatty() else ""  # a progress line may stand there
    kind = "" if code == PREEMPTED else "error: "
    print(f"{clear}{kind}{' '.join(message.splitlines())}", file=sys.stderr)
    raise SystemExit(code)


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Inside, what ends a command before its end is one line, with the exit code of its kind."""
    try:
        yield
    except Failure as failure:
        fail(str(failure), failure.exit_code)


@contextlib.contextmanager
def input_errors() -> Iterator[None]:
    """Inside, a ValueError is the user's: one line, exit code 2."""
    try:
        with failures():
            yield
    except ValueError as error:
        fail(str(error), BAD_INPUT)


@contextlib.contextmanager
def user_errors() -> Iterator[None]:
    """Inside, a ValueError or a file that cannot be used is the user's: one line, exit code 2.

    A disk that is full or broken is the machine's all the same.
    """
    with _file_errors(BAD_INPUT), input_errors():
        yield


@contextlib.contextmanager
def machine_errors() -> Iterator[None]:
    """Inside, a file that cannot be used is the machine's failure: it could be, until now."""
    with _file_errors(MachineFailed.exit_code, _GOES_ON), failures():
        yield


@contextlib.contextmanager
def _file_errors(code: int, way_out: str = "") -> Iterator[None]:
    """Inside, a file that cannot be used ends the command: with `code`, if the machine is sound."""
    try:
        yield
    except BrokenPipeError:
        raise  # nobody's error; see `run`
    except OSError as error:
        named = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        of_machine = error.errno in _OF_THE_MACHINE
        fail(f"{named}{way_out}", MachineFailed.exit_code if of_machine else code)


def run(main: Callable[[list[str]], None]) -> NoReturn:
    """Runs a command with the arguments of this process, and exits."""
    # What libraries remark is not for the user, and what goes wrong in them is raised.
    logging.getLogger("absl").setLevel(logging.CRITICAL)
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        fail("interrupted; nothing was lost.", INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output went away, as `head` does: nothing is wrong, nothing is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise SystemExit(0)


class _Parser(argparse.ArgumentParser):
    """What it cannot read is told as any bad input is: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        fail(f"{message}. --help says what there is.", BAD_INPUT)


def parser(doc: str) -> argparse.ArgumentParser:
    """Returns a parser whose `--help` teaches with the command's own docstring."""
    return _Parser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )


def check_positive(flags: argparse.Namespace, *names: str) -> None:
    """Refuses flags that were given and are less than 1.

    Raises:
      ValueError: naming the first.
    """
    for name in names:
        value = getattr(flags, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name}={value} must be at least 1.")


def add_checkpoints(arguments: argparse.ArgumentParser) -> None:
    """Adds `--average` and `--step`, one of which says which parameters of a run are taken."""
    which = arguments.add_mutually_exclusive_group()
    which.add_argument(
        "--average", type=int, help="checkpoints averaged (default: the run's config)"
    )
    which.add_argument("--step", type=int, help="take the checkpoint of this step alone")


def add_decode(arguments: argparse.ArgumentParser) -> None:
    """Adds the flags that change how a run decodes."""
    arguments.add_argument("--beam_size", type=int, help="default: the run's config; 1 is greedy")
    arguments.add_argument("--length_penalty", type=float, help="default: the run's config")
    arguments.add_argument("--temperature", type=float, help="of samples, such as 1.0; 0: search")
    arguments.add_argument("--top_k", type=int, help="samples are of so many likeliest tokens")
    arguments.add_argument("--top_p", type=float, help="... that are so probable together")
    arguments.add_argument("--seed", type=int, help="of samples (default: the run's config)")


def changed_decode(decode: DecodeConfig, flags: argparse.Namespace) -> DecodeConfig:
    """Returns a run's way to decode, changed by the flags of `add_decode`.

    Raises:
      ValueError: if one of them cannot be.
    """
    given = {name: getattr(flags, name) for name in DECODE_FLAGS}
    changes = {name: value for name, value in given.items() if value is not None}
    if changes.get("temperature") == 0:
        changes = {"top_k": 0, "top_p": 1.0} | changes  # the run's own are of samples
    changed = dataclasses.replace(decode, **changes)
    if flags.seed is not None and not changed.temperature:
        raise ValueError("--seed is of samples, and this is a search. Give --temperature=1 too.")
    samples = getattr(flags, "n_best", 1 if flags.temperature else None)
    if changed.temperature and samples and flags.beam_size is None:
        changed = dataclasses.replace(changed, beam_size=samples)
    return changed


def add_processes(arguments: argparse.ArgumentParser) -> None:
    """Adds the flags by which the processes of a run find each other where no cluster tells."""
    arguments.add_argument("--coordinator", help="HOST:PORT where process 0 listens")
    arguments.add_argument("--num_processes", type=int, help="of this run, on all hosts")
    arguments.add_argument("--process_id", type=int, help="of this process, from 0")


def processes_of(flags: argparse.Namespace) -> tuple[str | None, int | None, int | None]:
    """Returns the coordinator, the number and the index that `add_processes` asks for.

    Raises:
      ValueError: naming what is missing or wrong.
    """
    names = ("coordinator", "num_processes", "process_id")
    missing = [f"--{name}" for name in names if getattr(flags, name) is None]
    if len(missing) == len(names):
        return None, None, None
    if missing:
        raise ValueError(
            "--coordinator, --num_processes and --process_id go together; missing: "
            f"{', '.join(missing)}. Give all three, or none where the cluster tells."
        )
    parse_address(flags.coordinator)
    check_positive(flags, "num_processes")
    if not 0 <= flags.process_id < flags.num_processes:
        raise ValueError(
            f"--process_id={flags.process_id} must be from 0 to {flags.num_processes - 1}, as "
            f"--num_processes={flags.num_processes}."
        )
    return flags.coordinator, flags.num_processes, flags.process_id


def parse_address(coordinator: str) -> tuple[str, int]:
    """Returns the host and the port that `--coordinator` names.

    Raises:
      ValueError: if it is not HOST:PORT.

    Example:
      >>> parse_address("10.0.0.2:8476"), parse_address("[fd00::1]:8476")
      (('10.0.0.2', 8476), ('fd00::1', 8476))
    """
    host, _, port = coordinator.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    is_port = port.isascii() and port.isdigit() and 0 < int(port) < 2**16
    if not is_port or not _may_be_host(host):
        raise ValueError(
            f"--coordinator={coordinator} must be HOST:PORT, where process 0 listens, with a port "
            "from 1 to 65535, as in 10.0.0.2:8476."
        )
    return host, int(port)


def _may_be_host(name: str) -> bool:
    try:
        return bool(name.encode("idna"))  # as the socket will
    except UnicodeError:
        return False


def add_cache_dir(arguments: argparse.ArgumentParser) -> None:
    """Adds `--cache_dir`, where prepared corpora, token ids and compiled programs are kept."""
    arguments.add_argument(
        "--cache_dir",
        type=pathlib.Path,
        default=pathlib.Path(os.environ.get("ATTENTION_LAB_CACHE", "~/.cache/attention-lab")),
        help="prepared corpora and compiled programs (default: %(default)s, or what "
        "$ATTENTION_LAB_CACHE names)",
    )
