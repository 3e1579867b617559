"""What is found once the processes have found each other."""

import argparse
import os
import pathlib
import socket

from experiment.errors import Failure
from experiment.training import Progress, commit
from experiment.training.connect import connect
from experiment.training.processes import Processes
from launch import host, network
from launch.devices import check_devices, kinds
from launch.findings import NOTE, OK, PROBLEM, Finding, Report
from launch.together import compare, settings


def look_at_run(flags: argparse.Namespace, report: Report) -> None:
    """Connects, and adds what this process finds; on process 0 also what all of them found."""
    which = flags.coordinator, flags.num_processes, flags.process_id
    try:
        with connect(*which, Progress(), seconds=flags.timeout) as processes:
            try:
                _look(flags, report, processes)
            except Failure as failure:
                # Inside: this process has not failed, and the others need not be told so.
                report.add(Finding(PROBLEM, "processes", str(failure)))
    except (Failure, ValueError) as failure:
        report.add(Finding(PROBLEM, "processes", str(failure)))


def _look(flags: argparse.Namespace, report: Report, processes: Processes) -> None:
    source = commit()
    report.add(check_processes(processes.index, processes.count, by_flags=bool(flags.coordinator)))
    report.add(check_commit(source), check_workdir(flags.workdir, processes.index))
    report.add(check_devices(os.environ, pathlib.Path("/")))
    if processes.count > 1:
        alike = {"host": socket.gethostname(), "commit": source, **host.versions()}
        alike |= {"devices of a process": kinds(), **settings(os.environ)}
        unlike = {"host": socket.gethostname(), "system": host.system()}
        cache_dir = flags.cache_dir.expanduser().absolute()
        found = report.findings
        report.add(*compare(processes, alike, unlike, cache_dir, found, flags.timeout))


def check_processes(index: int, count: int, *, by_flags: bool) -> Finding:
    """How many there are, and what says so."""
    how = "the flags" if by_flags else network.detected_by(os.environ)
    if how is None and count == 1:
        return Finding(OK, "processes", "one, as nothing says otherwise.")
    how = how or "the metadata server"
    return Finding(OK, "processes", f"this is process {index} of {count}, by {how}.")


def check_commit(commit: str) -> Finding:
    """Whether hosts can be compared by their source code."""
    if commit == "unknown":
        text = "not a git checkout, so whether hosts have the same code is not seen."
        return Finding(NOTE, "commit", text)
    if commit.endswith("-dirty"):
        text = f"{commit}: there are changes that are not committed; other hosts may lack them."
        return Finding(NOTE, "commit", text)
    return Finding(OK, "commit", f"{commit}.")


def check_workdir(workdir: pathlib.Path | None, process: int) -> Finding:
    """Only process 0 reads and writes it, so that only there it must be one that can be."""
    if workdir is None:
        return Finding(NOTE, "workdir", "not checked; name it with --workdir.")
    if process != 0:
        return Finding(OK, "workdir", "read and written by process 0 alone.")
    return host.check_folder("workdir", workdir)
