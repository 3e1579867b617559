import os
import signal
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
