"""Runs a command as several processes of one run, on this machine.

    python -m launch.local --processes=4 -- train.py --config=configs/numbers.py --workdir=runs/mine
    python -m launch.local --processes=2 --devices_per_process=2 -- train.py --workdir=runs/mine
    python -m launch.local --processes=2 -- -m launch.doctor

Behind what follows `--` each gets --coordinator=127.0.0.1:PORT --num_processes=N --process_id=I;
its lines appear with its number. $JAX_PLATFORMS is passed on; where it is not set it is cpu, since
processes that share an accelerator take each other's memory. Signals are passed on to all.

One that ends badly leaves the others --grace seconds to notice and end by themselves; then they are
sent SIGTERM, and SIGKILL ten seconds later. The exit code is 0 if all end with 0; 42 if the others
end with 42; else that of the first that ended with another (128 + N if by signal N).
"""

import argparse
import os
import socket
import sys
from collections.abc import Mapping, Sequence

from experiment import command
from launch.group import Group

_GIVEN = ("--coordinator", "--num_processes", "--process_id")


def main(argv: list[str]) -> None:
    """Reads the flags, starts the processes, waits for all of them."""
    flags, asked = parse(argv)
    with command.user_errors():
        command.check_positive(flags, "processes", "devices_per_process", "grace")
        program = program_of(asked)
        environment = environment_of(os.environ, flags.devices_per_process)
        where = f"--coordinator=127.0.0.1:{free_port()}", f"--num_processes={flags.processes}"
        commands = [[*program, *where, f"--process_id={n}"] for n in range(flags.processes)]
        code = Group(commands, environment, grace=flags.grace).run()
    raise SystemExit(code)


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Returns the flags, and the command behind `--`."""
    arguments = command.parser(__doc__)
    arguments.usage = "python -m launch.local --processes=N [flags] -- COMMAND"
    arguments.add_argument("--processes", type=int, required=True)
    arguments.add_argument(
        "--devices_per_process", type=int, help="CPU devices of each (default: as the command says)"
    )
    help_grace = "seconds the others have once one has ended badly (default: %(default)s)"
    arguments.add_argument("--grace", type=float, default=60.0, help=help_grace)
    ours, asked = argv, list[str]()
    if "--" in argv:
        ours, asked = argv[: argv.index("--")], argv[argv.index("--") + 1 :]
    return arguments.parse_args(ours), asked


def program_of(asked: Sequence[str]) -> list[str]:
    """Returns the command to start; a script, `-m` and `-c` are for the Python that runs this.

    Raises:
      ValueError: if there is none, or it says itself which process it is.

    Example:
      >>> program_of(["train.py", "--workdir=runs/mine"])[1:], program_of(["./start", "now"])
      (['train.py', '--workdir=runs/mine'], ['./start', 'now'])
    """
    if not asked:
        raise ValueError(
            "What to run must stand behind --, as in "
            "`python -m launch.local --processes=2 -- train.py --workdir=runs/mine`."
        )
    for argument in asked:
        if argument.partition("=")[0] in _GIVEN:
            raise ValueError(f"{argument} is given to each process by launch.local. Leave it out.")
    ours = asked[0].endswith(".py") or asked[0] in ("-m", "-c")
    return [sys.executable, *asked] if ours else list(asked)


def environment_of(given: Mapping[str, str], devices: int | None) -> dict[str, str]:
    """Returns the environment of the processes, with `devices` CPU devices each, if any."""
    environment = {"JAX_PLATFORMS": "cpu", **given, "PYTHONUNBUFFERED": "1"}
    environment.setdefault("JAX_CPU_COLLECTIVES_IMPLEMENTATION", "gloo")
    if any(value and name.lower().endswith("_proxy") for name, value in given.items()):
        # gRPC would look for 127.0.0.1 there; of these two names it reads the first that is set.
        name = "no_grpc_proxy" if given.get("no_grpc_proxy") else "no_proxy"
        environment[name] = ",".join(filter(None, (given.get(name), "127.0.0.1")))
    if devices is not None:
        environment["JAX_NUM_CPU_DEVICES"] = str(devices)
    return environment


def free_port() -> int:
    """Returns a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    command.run(main)
