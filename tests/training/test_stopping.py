import os
import signal
import socket
import subprocess
import sys

import pytest

from experiment.training import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_first_signal_is_noted_and_said(number):
    said = []
    with StopRequest(said.append) as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
    assert said == [
        f"{signal.Signals(number).name}: saving, then stopping. "
        "Once more to stop at once, without saving."
    ]


def test_handlers_are_what_they_were_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(OSError, match="disk"), StopRequest(print):
        assert signal.getsignal(signal.SIGINT) != before[0]
        raise OSError("disk")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


SECOND_SIGNAL = """
import os, signal
from experiment.training.stopping import StopRequest
with StopRequest(lambda message: print("noted", flush=True)):
    os.kill(os.getpid(), signal.SIGTERM)
    print("still here", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("not any more", flush=True)
"""


def test_second_signal_ends_the_process_at_once():
    ended = subprocess.run(
        [sys.executable, "-c", SECOND_SIGNAL], capture_output=True, text=True, check=False
    )
    assert ended.stdout.split("\n") == ["noted", "still here", ""]
    assert ended.returncode == 128 + signal.SIGINT


def test_signal_while_a_line_is_written_is_noted_all_the_same():
    def busy(message):
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    with StopRequest(busy) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked


ONE_OF_TWO = """
import sys, time
import jax
address, process = sys.argv[1], int(sys.argv[2])
jax.distributed.initialize(address, num_processes=2, process_id=process)
from experiment.training.stopping import StopRequest
with StopRequest(lambda message: None) as stop:
    for step in range(1, 10_000):
        time.sleep(0.002 * (1 + process))  # one is quicker than the other
        stop.look()
        if step == 20:
            print("ready", flush=True)
        if stop.asked:
            print(step, flush=True)
            break
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("told", [0, 1])
def test_of_two_processes_one_is_told_and_both_stop_at_the_same_step(number, told):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_OF_TWO, address, str(process)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for process in range(2)
    ]
    try:
        for process in both:
            assert process.stdout.readline() == "ready\n", process.communicate()[1]
        both[told].send_signal(number)
        steps = [process.communicate(timeout=60)[0] for process in both]
    finally:
        for process in both:
            process.kill()
            process.communicate()
    assert steps[0] == steps[1] != ""
