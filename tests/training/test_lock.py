import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time

import pytest

from experiment.errors import InUse
from experiment.training import lock, locked

HOLD = """
import functools, pathlib, sys, time
print = functools.partial(print, flush=True)
from experiment.training import lock
lock.SECONDS_BETWEEN_BEATS = 0.2
with lock.locked(pathlib.Path(sys.argv[1]), print):
    print("held")
    time.sleep(60)
"""


@pytest.fixture
def said():
    return []


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_second_writer_is_refused_by_the_name_of_the_first(tmp_path, said, holder):
    with pytest.raises(InUse) as refused, locked(tmp_path, said.append):
        pass
    assert refused.value.exit_code == 3
    assert str(refused.value) == (
        f"{tmp_path} is in use by process {holder.pid} on {platform.node()}. Wait for it, stop it, "
        "or choose another --workdir."
    )
    assert said == []


def test_lock_of_a_killed_process_is_taken_over_with_a_sentence(tmp_path, said, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path, said.append):
        assert said == [
            f"{tmp_path} was left locked by process {holder.pid} on {platform.node()}, which is "
            "gone; taken over."
        ]


def test_lock_leaves_nothing_behind(tmp_path, said):
    with locked(tmp_path / "new", said.append):
        pass
    assert list((tmp_path / "new").iterdir()) == []
    assert said == []


def test_one_process_does_not_hold_it_twice(tmp_path, said):
    refused = pytest.raises(InUse, match=f"process {os.getpid()} on ")
    with locked(tmp_path, said.append), refused, locked(tmp_path, print):
        pass
    with locked(tmp_path, said.append):
        pass


def left_by_another_machine(folder, beat=0):
    holder = {"host": "elsewhere", "process": 7, "beat": beat}
    (folder / "lock").write_text(f"{json.dumps(holder):<120}\n")


def test_lock_of_another_machine_is_taken_over_if_its_heart_does_not_beat(
    tmp_path, said, monkeypatch
):
    """Whatever its clock says: only whether the count goes on matters."""
    monkeypatch.setattr(lock, "SECONDS_OF_WATCHING", 0.5)
    left_by_another_machine(tmp_path)
    with locked(tmp_path, said.append):
        assert said == [
            f"{tmp_path} is locked by process 7 on elsewhere; watching for 0 s whether it is alive "
            "...",
            f"{tmp_path} was left locked by process 7 on elsewhere, which is gone; taken over.",
        ]


def test_lock_of_another_machine_is_left_to_it_if_its_heart_beats(tmp_path, said, monkeypatch):
    monkeypatch.setattr(lock, "SECONDS_OF_WATCHING", 20.0)
    left_by_another_machine(tmp_path)
    beating = threading.Timer(0.3, left_by_another_machine, [tmp_path, 1])
    beating.start()
    alive = "is in use by process 7 on elsewhere"
    with pytest.raises(InUse, match=alive), locked(tmp_path, said.append):
        pass
    beating.join()


def test_torn_lock_is_no_lock(tmp_path, said):
    (tmp_path / "lock").write_text('{"host": "els')
    with locked(tmp_path, said.append):
        assert said == []


@pytest.fixture
def no_kernel(monkeypatch):
    """A file system that knows no locks."""

    def unsupported(descriptor, how):
        raise OSError("Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", unsupported)
    monkeypatch.setattr(lock, "SECONDS_OF_WATCHING", 20.0)
    monkeypatch.setattr(lock, "SECONDS_BETWEEN_BEATS", 0.1)
    monkeypatch.setattr(lock, "SECONDS_TO_SETTLE", 0.5)


def test_file_system_without_locks_is_watched_like_another_machine(tmp_path, said, no_kernel):
    with locked(tmp_path, said.append), pytest.raises(InUse), locked(tmp_path, said.append):
        pass
    with locked(tmp_path, said.append):
        pass


def test_of_two_that_come_at_once_one_holds_it(tmp_path, no_kernel):
    held, refused, both = [], [], threading.Barrier(2)

    def come():
        both.wait()
        try:
            with locked(tmp_path, print):
                held.append(1)
                time.sleep(1)
        except InUse:
            refused.append(1)

    threads = [threading.Thread(target=come) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(held), len(refused)) == (1, 1)


def test_holder_that_finds_its_lock_in_other_hands_ends_at_once(tmp_path, holder):
    """It was asleep for so long that another took it for dead."""
    holder.send_signal(signal.SIGSTOP)
    other = {"host": "elsewhere", "process": 7, "token": "other", "beat": 3}
    with (tmp_path / "lock").open("r+") as file:
        file.write(f"{json.dumps(other):<160}\n")
    holder.send_signal(signal.SIGCONT)
    said, _ = holder.communicate(timeout=30)
    assert holder.returncode == 3
    assert said == (
        f"{tmp_path} is in use by process 7 on elsewhere. Wait for it, stop it, or choose another "
        "--workdir. This process stops at once.\n"
    )
    assert json.loads((tmp_path / "lock").read_text()) == other


def test_lock_that_is_removed_ends_its_holder(tmp_path, holder):
    (tmp_path / "lock").unlink()
    said, _ = holder.communicate(timeout=30)
    assert (holder.returncode, said) == (
        3,
        f"{tmp_path / 'lock'} was removed; this process stops at once.\n",
    )


def test_folder_that_is_moved_away_is_not_taken_for_a_lock_that_is_removed(tmp_path, said, holder):
    """Where another comes to be under its name: whoever writes there will miss what was there."""
    moved = tmp_path.with_name(f"{tmp_path.name}_moved")
    tmp_path.rename(moved)
    tmp_path.mkdir()
    before = json.loads((moved / "lock").read_text())["beat"]
    end = time.monotonic() + 30
    while json.loads((moved / "lock").read_text())["beat"] < before + 3:
        assert time.monotonic() < end
        assert holder.poll() is None
        time.sleep(0.1)
