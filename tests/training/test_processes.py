"""Real processes on one machine, by gloo: the same run, and nobody waits for the dead."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import jax
import numpy as np
import pytest

from experiment.errors import MachineFailed
from experiment.training import Checkpoints, Processes, connect, read_metrics
from experiment.training.progress import Progress
from tests.tiny_run import ENVIRONMENT, ROOT, made_place, training

# Adam makes much of rounding where a gradient is next to nothing: a low rate keeps that small.
STEPS = {
    "model__dropout_rate": 0.0,
    "train__tokens_per_batch": 128,  # eight rows
    "train__num_steps": 60,
    "train__log_every": 4,
    "train__save_every": 20,
    "train__evaluate_every": 60,
    "train__learning_rate_scale": 0.1,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return made_place(tmp_path_factory, "several")


def free_address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def start(place, name, count, *flags, **changes):
    """`count` processes of one run; each has two devices where `devices` says so."""
    devices, of_the_second = changes.pop("devices", 1), changes.pop("of_the_second", ())
    address = free_address()
    return [
        subprocess.Popen(
            [
                sys.executable,
                ROOT / "train.py",
                *training(place / "corpus", place / name, place / "cache", **{**STEPS, **changes}),
                *flags,
                f"--coordinator={address}",
                f"--num_processes={count}",
                f"--process_id={index}",
                *(of_the_second if index == 1 else ()),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**ENVIRONMENT, "JAX_NUM_CPU_DEVICES": str(devices)},
        )
        for index in range(count)
    ]


def end(processes, timeout=300):
    try:
        return [(*each.communicate(timeout=timeout), each.returncode) for each in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def trained(place, name, count, *flags, code=0, **changes):
    """What the processes printed and said, once all ended with `code`."""
    ended = end(start(place, name, count, *flags, **changes))
    assert [rc for _, _, rc in ended] == [code] * count, ended
    return ended


def without_gloo(printed):
    """What a process printed, but for the line of the library by which CPUs talk."""
    ours = [line for line in printed.splitlines(True) if "peer ranks" not in line]
    return "".join(line for line in ours if not line.startswith("[Gloo]"))


def losses(place, name):
    lines = read_metrics(place / name / "metrics.jsonl")
    return {line["step"]: line["loss"] for line in lines if line["kind"] == "train"}


@pytest.fixture(scope="module")
def alone(place):
    trained(place, "alone", 1)
    return losses(place, "alone")


@pytest.mark.parametrize(
    ("count", "changes"),
    [
        (4, {}),
        (2, {"devices": 2, "mesh__data": -1, "mesh__fsdp": 4}),
    ],
)
def test_several_processes_train_what_one_does(place, alone, count, changes):
    name = f"{count} {'-'.join(changes)}"
    said = trained(place, name, count, **changes)
    together = losses(place, name)
    assert together.keys() == alone.keys()
    for step, loss in alone.items():
        np.testing.assert_allclose(together[step], loss, rtol=1e-5)
    first, *others = (without_gloo(printed) for printed, _, _ in said)
    assert json.loads(first)["step"] == 60
    assert not any(others)


def test_run_moves_between_arrangements_and_keeps_its_curve(place, alone):
    """1 device, 8 by pmap, a mesh of 2x4, 2 processes, 1 device."""
    moves = [
        (12, 1, {}),
        (24, 1, {"devices": 8}),
        (36, 1, {"devices": 8, "mesh__data": 2, "mesh__fsdp": 4}),
        (48, 2, {}),
        (60, 1, {}),
    ]
    for steps, count, changes in moves:
        trained(place, "moving", count, **{**changes, "train__num_steps": steps})
    moved = losses(place, "moving")
    assert moved.keys() == alone.keys()
    for step, loss in alone.items():
        np.testing.assert_allclose(moved[step], loss, rtol=1e-5)


@pytest.mark.parametrize(
    ("count", "victim", "number"),
    [(2, 0, signal.SIGKILL), (3, 1, signal.SIGKILL), (2, 0, signal.SIGSTOP)],
)
def test_process_that_is_lost_is_named_and_the_others_stop(place, count, victim, number):
    name = f"lost {victim} {number}"
    endless = {"train__num_steps": 100_000, "train__evaluate_every": 100_000}
    processes = start(place, name, count, **endless)
    others = [process for process in processes if process is not processes[victim]]
    try:
        until = time.monotonic() + 240
        while not (place / name / "checkpoints" / "40").exists():
            assert time.monotonic() < until and processes[victim].poll() is None
            time.sleep(0.2)
        processes[victim].send_signal(number)
        lost = time.monotonic()
        said = [process.communicate(timeout=60)[1] for process in others]
        assert time.monotonic() - lost < 30
    finally:
        processes[victim].kill()
        end(processes)
    assert [process.returncode for process in others] == [MachineFailed.exit_code] * len(others)
    for last in (text.strip().split("\n")[-1] for text in said):
        assert last.startswith(f"error: process {victim} (")
        assert last.endswith("the same command goes on from the newest checkpoint.")
    if number == signal.SIGKILL and victim == 0:  # and it does
        newest = Checkpoints(place / name / "checkpoints").steps()[-1]
        trained(place, name, count, train__num_steps=newest + 10, train__evaluate_every=newest + 10)
        assert Checkpoints(place / name / "checkpoints").steps()[-1] == newest + 10


def test_all_save_the_same_step_when_one_is_asked_to_stop(place):
    """Also when it is asked while the first step of a run that goes on is being compiled."""
    endless = {"train__num_steps": 100_000, "train__evaluate_every": 100_000}
    for told, moment in ((1, "step "), (0, "goes on after")):
        processes = start(place, "asked", 2, **endless)
        try:
            while moment not in (line := processes[0].stderr.readline()):
                assert line, processes[0].communicate()
            processes[told].send_signal(signal.SIGTERM)
            ended = end(processes, timeout=120)
        finally:
            end(processes)
        assert [rc for _, _, rc in ended] == [42, 42], ended
        assert "stopped and saved after step" in ended[0][1]


def test_bad_input_ends_all_with_one_line_each(place, alone):
    ended = end(start(place, "alone", 2, model__d_ff=64))
    assert [rc for _, _, rc in ended] == [2, 2]
    assert all("was trained with model.d_ff=32, this config has 64" in said for _, said, _ in ended)


def test_processes_with_other_settings_are_refused(place):
    ended = end(start(place, "unlike", 2, of_the_second=("--config.train.adam_b1=0.5",)))
    assert [rc for _, _, rc in ended] == [2, 2]
    named = "train.adam_b1 must be the same in every process: process 1"
    assert all(named in said for _, said, _ in ended)
    assert not (place / "unlike").exists()


def test_session_that_uses_devices_already_is_alone():
    jax.devices()
    assert connect(None, None, None, Progress()).count == 1


def test_coordinator_that_does_not_answer_is_said_with_the_usual_causes():
    with pytest.raises(MachineFailed) as failed:
        connect(free_address(), 2, 1, Progress(), seconds=1.0)
    assert "did not answer at 127.0.0.1:" in str(failed.value)
    assert "not started on every host" in str(failed.value)


def test_one_process_is_its_own_first_and_waits_for_nobody():
    alone = Processes()
    with alone as processes:
        assert (processes.index, processes.count, processes.is_first) == (0, 1, True)
        processes.wait("nobody")
        processes.check_same("this", {"that": 1})
        assert processes.from_first("this", lambda: {"a": 1}) == {"a": 1}
        assert processes.after_first("this", lambda: os.getpid()) == os.getpid()
    assert processes.spread((np.ones(3),))[0].sum() == 3


class Store:
    """JAX's key-value store, of one machine."""

    def __init__(self):
        self.kept = {}

    def key_value_set(self, key, value, allow_overwrite=False):
        assert allow_overwrite or key not in self.kept
        self.kept[key] = value

    def key_value_dir_get(self, prefix):
        return [(key, value) for key, value in self.kept.items() if key.startswith(prefix)]


def two(store, said):
    return [Processes(index, 2, store, "", said.append) for index in range(2)]


def test_who_is_missing_is_said_and_waited_for_no_longer_than_told(monkeypatch):
    monkeypatch.setattr("experiment.training.processes.PATIENCE_SECONDS", 0.1)
    said = []
    first, _ = two(Store(), said)
    with pytest.raises(MachineFailed, match="Waited 0s for lunch; missing: process 1"):
        first.wait("lunch", seconds=0.5)
    assert said[0].startswith("waiting for lunch, 0s so far; missing: process 1")


def test_where_disks_are_not_shared_one_process_of_each_host_is_first():
    store, came = Store(), []
    everyone = [Processes(index, 4, store, "", lambda said: None) for index in range(4)]
    for process in everyone:
        process.hosts = ["a", "a", "b", "b"]
    makes = [
        threading.Thread(
            target=each.after_first, args=("it", lambda index=each.index: came.append(index))
        )
        for each in everyone
    ]
    for make in reversed(makes):
        make.start()
    for make in makes:
        make.join(timeout=60)
    assert came[:2] == [0, 2] and sorted(came[2:]) == [1, 3]


def test_what_fails_in_the_first_fails_in_all():
    store = Store()
    first, second = two(store, [])

    def fail():
        raise MachineFailed("the disk is full")

    with pytest.raises(MachineFailed, match="the disk is full"):
        first.from_first("the disk", fail)
    with pytest.raises(Exception, match="the disk is full") as failed:
        second.from_first("the disk", fail)
    assert failed.value.exit_code == MachineFailed.exit_code


def test_processes_that_differ_are_named():
    store = Store()
    first, second = two(store, [])
    second.hosts = ["here", "there"]
    first.publish("meeting/1", '{"corpus": "one"}')
    with pytest.raises(ValueError) as refused:
        second.check_same("the data", {"corpus": "another"})
    assert str(refused.value) == (
        "corpus must be the same in every process: process 1 (there) has another, process 0 (here) "
        "has one."
    )
