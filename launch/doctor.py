"""Looks a host over before a run, and, with several processes, compares the hosts.

    python -m launch.doctor                                one host
    python -m launch.doctor --workdir=runs/mine            and whether a run can be written there
    python -m launch.doctor --coordinator=10.0.0.2:8476 --num_processes=2 --process_id=0

Started on every host as train.py will be, with the same flags: Cloud TPU, GKE, Slurm and Open MPI
say themselves which process each is. Every check is one line, ok, note or problem, with what to
do; process 0 adds what differs between hosts. Nothing is changed. Exit code 0 if there is no
problem, else 2.
"""

import argparse
import os
import pathlib
import socket

from experiment import command
from launch import host, network, roll_call
from launch.findings import OK, PROBLEM, Finding, Report


def main(argv: list[str]) -> None:
    """Reads the flags, checks, prints; the exit code says whether there is a problem."""
    flags = parse(argv)
    with command.user_errors():
        command.check_positive(flags, "timeout")
        command.processes_of(flags)
        report = Report(as_json=flags.json)
        if look_at_host(flags, report):
            # Only now: a package that is missing or broken should be a line, not a traceback.
            from launch.meeting import look_at_run

            look_at_run(flags, report)
    report.close()
    if report.has_problem():
        raise SystemExit(command.BAD_INPUT)


def look_at_host(flags: argparse.Namespace, report: Report) -> bool:
    """Checks what needs neither devices nor other processes; returns whether to go on to these."""
    report.add(host.check_versions(host.versions()))
    found = f"{socket.gethostname()}: {host.system()}, {os.cpu_count()} processors."
    report.add(Finding(OK, "host", found))
    several = flags.coordinator is not None or network.detected_by(os.environ) is not None
    report.add(host.check_proxies(os.environ, several=several))
    report.add(host.check_open_files())
    report.add(host.check_folder("cache_dir", flags.cache_dir))
    if report.findings[0].level != OK:
        return False
    if flags.coordinator is None:
        return True
    return look_for_others(flags, report)


def look_for_others(flags: argparse.Namespace, report: Report) -> bool:
    """Calls the roll, by the address that is given; returns whether all came."""
    where, count, seconds = flags.coordinator, flags.num_processes, flags.timeout
    if flags.process_id == 0:
        own = network.check_own_port(where)
        report.add(own)
        if own.level != PROBLEM:
            report.add(roll_call.call(where, count, seconds))
    else:
        report.add(roll_call.answer(where, flags.process_id, count, seconds))
    return report.findings[-1].level == OK


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdir", type=pathlib.Path, help="of the run that is to come")
    command.add_processes(arguments)
    arguments.add_argument(
        "--timeout", type=float, default=60.0, help="seconds to wait for others (default: 60)"
    )
    arguments.add_argument("--json", action="store_true", help="print one JSON object instead")
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


if __name__ == "__main__":
    command.run(main)
