"""Whether all processes come, asked before JAX does: it would wait for minutes, and then abort."""

import contextlib
import socket
import time

from experiment.command import parse_address
from launch.findings import OK, PROBLEM, Finding
from launch.network import cause

_SECONDS_BETWEEN_TRIES = 0.5
_SECONDS_A_TRY = 5.0
_HERE, _ALL, _MISSING = "attention-lab doctor, process", "all are here", "missing:"


def call(coordinator: str, count: int, seconds: float) -> Finding:
    """Of process 0: whether all others come within `seconds`. They are told who did not.

    Raises:
      OSError: if the port cannot be listened on.
      ValueError: if `coordinator` is not HOST:PORT.
    """
    end = time.monotonic() + seconds
    wanted = {f"{_HERE} {number} of {count}": number for number in range(1, count)}
    with contextlib.ExitStack() as closing, _listen(parse_address(coordinator)[1]) as server:
        here: dict[int, socket.socket] = {}
        strange: list[str] = []
        while len(here) < count - 1 and not strange and (left := end - time.monotonic()) > 0:
            server.settimeout(left)
            try:
                connection = closing.enter_context(server.accept()[0])
            except TimeoutError:
                break
            said = _line(connection, _SECONDS_A_TRY)
            number = wanted.get(said)
            if number is not None and number not in here:
                here[number] = connection
            elif said.startswith(_HERE):  # else something that only tried the port
                strange.append(said.removeprefix(_HERE))
        missing = ", ".join(str(number) for number in range(1, count) if number not in here)
        for connection in here.values():
            _tell(connection, f"{_MISSING} {missing}" if missing else _ALL)
    if strange:
        text = f"process{strange[0]} came, twice perhaps, and this is 0 of {count}. Each must be "
        text += "given the same --num_processes and a --process_id of its own."
        return Finding(PROBLEM, "coordinator", text)
    if missing:
        text = f"did not come within {seconds:g} s: process {missing} of {count}. Was this started "
        text += f"there too? Is {coordinator} the address of this host, and its port open to them?"
        return Finding(PROBLEM, "coordinator", text)
    return Finding(OK, "coordinator", f"all {count} processes are here.")


def answer(coordinator: str, process: int, count: int, seconds: float) -> Finding:
    """Of the others: whether process 0 is there within `seconds`; it may come later than they.

    Raises:
      ValueError: if `coordinator` is not HOST:PORT.
    """
    address = parse_address(coordinator)
    end = time.monotonic() + seconds
    while True:
        left = end - time.monotonic()
        try:
            connection = socket.create_connection(
                address, timeout=max(0.1, min(_SECONDS_A_TRY, left))
            )
            break
        except OSError as error:
            if left <= _SECONDS_BETWEEN_TRIES:
                gone = f"{coordinator} does not answer within {seconds:g} s"
                return Finding(PROBLEM, "coordinator", f"{gone}: {cause(error)}")
        time.sleep(_SECONDS_BETWEEN_TRIES)
    with connection:
        _tell(connection, f"{_HERE} {process} of {count}", wait=False)
        said = _line(connection, seconds + _SECONDS_A_TRY)
    if said == _ALL:
        return Finding(OK, "coordinator", f"{coordinator} answers; all {count} processes are here.")
    if said.startswith(_MISSING):
        text = f"{coordinator} answers; {said} of {count}. Was this started there too?"
        return Finding(PROBLEM, "coordinator", text)
    text = f"{coordinator} answers, and does not know of this process. Another program may listen "
    text += "there, such as an earlier run; or --num_processes or --process_id are not its own."
    return Finding(PROBLEM, "coordinator", text)


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _line(connection: socket.socket, seconds: float) -> str:
    """Returns the first line that comes, or what of it comes within `seconds`."""
    said, end = b"", time.monotonic() + seconds
    with contextlib.suppress(OSError):
        while not said.endswith(b"\n") and len(said) < 200 and time.monotonic() < end:
            connection.settimeout(max(0.01, end - time.monotonic()))
            part = connection.recv(1)
            if not part:
                break
            said += part
    return said.decode(errors="replace").strip()


def _tell(connection: socket.socket, text: str, *, wait: bool = True) -> None:
    """Says a line; waits until the other side has closed, so that the port is free at once."""
    with contextlib.suppress(OSError):
        connection.sendall(f"{text}\n".encode())
        if wait:
            _line(connection, _SECONDS_A_TRY)
