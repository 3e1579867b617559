import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pytest

from launch.group import exit_code
from launch.local import environment_of, free_port, program_of

TELL = "import json, sys; print(json.dumps(sys.argv[1:]))"
STOP = """
import signal, sys, time
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("TERM"))
signal.signal(signal.SIGINT, lambda *_: heard.append("INT"))
print("ready")
end = time.monotonic() + 30
while not heard and time.monotonic() < end: time.sleep(0.02)
time.sleep(0.3)
print("heard", *heard)
sys.exit(42)
"""
# The number of the process is the last argument.
ONE_FAILS = """
import sys, time
if sys.argv[-1].endswith("1"): sys.exit(5)
time.sleep(0.5)
print("noticed")
sys.exit(7)
"""
ONE_FAILS_AND_THE_OTHER_HANGS = """
import os, signal, subprocess, sys, time
if sys.argv[-1].endswith("1"): sys.exit(5)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("pids", os.getpid(), child.pid)
time.sleep(60)
"""


def started(program, *flags, processes=2):
    command = [sys.executable, "-m", "launch.local", f"--processes={processes}", *flags]
    environment = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    return subprocess.Popen(
        [*command, "--", *program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def run(program, *flags, processes=2):
    process = started(program, *flags, processes=processes)
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def alive(pid):
    """Whether a process runs; one that has ended and that nobody has asked about does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return state.stdout.strip()[:1] not in ("", "Z")


def test_each_process_is_told_which_it_is_and_its_lines_carry_its_number():
    code, output, errors = run(["-c", TELL, "--mine"], processes=3)
    assert (code, errors) == (0, "")
    told = dict(re.fullmatch(r"\[(\d)\] (.*)", line).groups() for line in output.splitlines())
    told = {number: json.loads(text) for number, text in told.items()}
    [where] = {arguments[1] for arguments in told.values()}
    assert re.fullmatch(r"--coordinator=127\.0\.0\.1:\d+", where)
    assert told == {
        str(n): ["--mine", where, "--num_processes=3", f"--process_id={n}"] for n in range(3)
    }


def test_errors_stay_errors_and_a_last_line_without_an_end_gets_one():
    program = "import sys; sys.stderr.write('why'); sys.stdout.write('ä\\nlast')"
    code, output, errors = run(["-c", program], processes=1)
    assert (code, output, errors) == (0, "[0] ä\n[0] last\n", "[0] why\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_reaches_every_process_once_and_all_42_is_42(number):
    process = started(["-c", STOP])
    ready = [process.stdout.readline() for _ in range(2)]
    assert sorted(ready) == ["[0] ready\n", "[1] ready\n"]
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    name = number.name.removeprefix("SIG")
    assert sorted(output.splitlines()) == [f"[0] heard {name}", f"[1] heard {name}"]
    assert (process.returncode, errors) == (42, "")


def test_first_bad_end_is_the_exit_code_and_the_others_may_end_by_themselves():
    code, output, errors = run(["-c", ONE_FAILS])
    assert (code, output) == (5, "[0] noticed\n")
    assert errors == (
        "[launch] process 1 ended with exit code 5; the others have 60 s to notice and end by "
        "themselves.\n"
    )


def test_process_that_neither_ends_nor_heeds_sigterm_is_killed_with_all_it_started():
    start = time.monotonic()
    code, output, errors = run(["-c", ONE_FAILS_AND_THE_OTHER_HANGS], "--grace=1")
    assert code == 5
    assert "[launch] sending SIGTERM to those that are left." in errors
    assert "[launch] sending SIGKILL to those that are left." in errors
    assert 11 < time.monotonic() - start < 40
    pids = [int(pid) for pid in output.split()[2:]]
    assert len(pids) == 2
    assert [pid for pid in pids if alive(pid)] == []


def test_command_that_is_not_there_is_bad_input():
    code, output, errors = run(["./no-such-program"])
    assert (code, output) == (2, "")
    assert errors == "error: ./no-such-program: No such file or directory\n"


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([0, 0, 0], 0),
        ([42, 42, 42], 42),
        ([0, 42], 42),
        ([42, 6], 6),
        ([5, 143], 5),
        ([137, 2], 137),
    ],
)
def test_exit_code_of_the_whole_is_the_first_that_is_neither_0_nor_42(codes, expected):
    assert exit_code(codes) == expected


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ([], "What to run must stand behind --"),
        (["train.py", "--process_id=0"], "--process_id=0 is given to each process"),
        (["train.py", "--coordinator", "a:1"], "--coordinator is given to each process"),
    ],
)
def test_command_that_cannot_be_run_as_several_is_refused(asked, why):
    with pytest.raises(ValueError, match=f"^{why}"):
        program_of(asked)


def test_environment_is_kept_except_for_what_several_processes_need():
    found = environment_of({"JAX_PLATFORMS": "cuda", "no_proxy": "a.b", "HOME": "/h"}, 3)
    assert found["JAX_PLATFORMS"] == "cuda"
    assert found["JAX_NUM_CPU_DEVICES"] == "3"
    assert (found["no_proxy"], found["HOME"]) == ("a.b,127.0.0.1", "/h")
    assert environment_of({}, None)["JAX_PLATFORMS"] == "cpu"
    assert "JAX_NUM_CPU_DEVICES" not in environment_of({}, None)


def test_port_is_one_that_can_be_listened_on():
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] > 0
