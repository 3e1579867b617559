"""What only all processes of a run can find out together."""

import contextlib
import json
import pathlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from launch.comparison import check_clocks, differences, named
from launch.findings import NOTE, OK, PROBLEM, Finding, as_dicts
from launch.host import existing

# Of one process, and rightly unlike those of others.
_OF_ONE = ("JAX_LOCAL_DEVICE_IDS", "JAX_PROCESS_ID", "JAX_COORDINATOR_BIND_ADDRESS")


@runtime_checkable
class Processes(Protocol):
    """What is needed of `experiment.training.Processes`."""

    index: int

    def publish(self, key: str, text: str) -> None:
        """Lets the others read a text."""

    def collect(self, key: str, what: str, seconds: float) -> list[str]:
        """Returns the texts that all have published, by process."""


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables by which one process would compile another program than the others."""
    ours = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")
    names = (name for name in environment if name in ours or name.startswith("JAX_"))
    return {f"${name}": environment[name] for name in sorted(names) if name not in _OF_ONE}


def compare(
    processes: Processes,
    alike: Mapping[str, str],
    unlike: Mapping[str, str],
    cache_dir: pathlib.Path,
    findings: Sequence[Finding],
    seconds: float,
) -> list[Finding]:
    """Returns, on process 0, what hosts differ in and what others found wrong; elsewhere nothing.

    What is in `alike` must be equal on all; what is in `unlike` had better be; both name the
    `host`. Every process calls this.

    Raises:
      Failure: if one of them does not within `seconds`.
    """
    with _mark(processes.index, cache_dir) as mark:
        processes.publish("doctor/mark", mark)
        # All come out of this at about the same moment: when the last has published.
        mark = processes.collect("doctor/mark", "the doctor on every host", seconds)[0]
        found: dict[str, Any] = {"alike": alike, "unlike": unlike, "time": time.time()}
        found["shared"] = bool(mark) and (existing(cache_dir) / mark).exists()
        found["findings"] = as_dicts(findings)
        processes.publish("doctor/found", json.dumps(found))
        texts = processes.collect("doctor/found", "what the doctor found", seconds)
    return _summary([json.loads(text) for text in texts]) if processes.index == 0 else []


@contextlib.contextmanager
def _mark(process: int, folder: pathlib.Path) -> Iterator[str]:
    """While entered, process 0 has a file of that name in the folder, if it can be written to."""
    if process != 0:
        yield ""
        return
    path = existing(folder) / f".doctor-{secrets.token_hex(8)}"
    try:
        path.touch()
    except OSError:
        yield ""
        return
    try:
        yield path.name
    finally:
        path.unlink(missing_ok=True)


def _summary(all_found: Sequence[Mapping[str, Any]]) -> list[Finding]:
    hosts = [found["alike"] for found in all_found]
    summary = [Finding(PROBLEM, "hosts differ", said) for said in differences(hosts)]
    if not summary:
        summary = [Finding(OK, "hosts", f"{len(hosts)} processes agree in versions and settings.")]
    said_of_others = differences([found["unlike"] for found in all_found])
    summary += [Finding(NOTE, "hosts differ", said) for said in said_of_others]
    summary.append(check_clocks(hosts, [found["time"] for found in all_found]))
    without = [n for n, found in enumerate(all_found) if not found["shared"]]
    summary.append(_shared([named(n, hosts[n]["host"]) for n in without]))
    for number, found in enumerate(all_found[1:], start=1):
        for each in (Finding(**finding) for finding in found["findings"]):
            if each.level != OK:
                check = f"process {named(number, hosts[number]['host'])}, {each.check}"
                summary.append(Finding(each.level, check, each.text))
    return summary


def _shared(without: Sequence[str]) -> Finding:
    if not without:
        return Finding(OK, "cache of all", "all processes have the same cache_dir.")
    return Finding(
        NOTE,
        "cache of all",
        f"that of process 0 is not seen by {', '.join(without)}. Each host prepares the corpus for "
        "itself; and JAX keeps compiled programs of process 0 alone, so that the others compile at "
        "every start.",
    )
