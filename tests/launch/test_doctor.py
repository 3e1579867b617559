import json
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from launch import host, network, roll_call
from launch.comparison import check_clocks, differences
from launch.findings import NOTE, OK, PROBLEM, Finding
from launch.local import free_port
from launch.meeting import check_commit, check_processes, check_workdir
from launch.together import compare, settings

HOSTS = [{"host": "a", "jax": "0.10.2", "commit": "1f"}, {"host": "b", "jax": "0.10.2"}]


class InMemory:
    """Processes that are threads of one."""

    def __init__(self, index, count, texts, changed):
        self.index, self.count, self._texts, self._changed = index, count, texts, changed

    def publish(self, key, text):
        with self._changed:
            self._texts[key, self.index] = text
            self._changed.notify_all()

    def collect(self, key, what, seconds):
        keys = [(key, number) for number in range(self.count)]
        with self._changed:
            assert self._changed.wait_for(lambda: all(k in self._texts for k in keys), seconds)
            return [self._texts[k] for k in keys]


def compared(alike, folders, findings):
    """Returns what each of several processes gets from `compare`."""
    texts, changed, found = {}, threading.Condition(), {}

    def one(index):
        processes = InMemory(index, len(alike), texts, changed)
        unlike = {"host": alike[index]["host"], "system": "Linux"}
        found[index] = compare(
            processes, alike[index], unlike, folders[index], findings[index], seconds=20.0
        )

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(alike))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def doctor(*flags, **environment):
    start = time.monotonic()
    process = subprocess.run(
        [sys.executable, "-m", "launch.doctor", *map(str, flags)],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
        timeout=120,
    )
    return process.returncode, process.stdout.splitlines(), process.stderr, time.monotonic() - start


def test_what_hosts_differ_in_is_said_with_who_has_what():
    assert differences([HOSTS[0], {**HOSTS[0], "host": "b"}]) == []
    hosts = [*HOSTS, {"host": "c", "jax": "0.10.3", "commit": "1f"}]
    assert differences(hosts) == [
        "jax: 0.10.2 on 0 (a), 1 (b); 0.10.3 on 2 (c)",
        "commit: 1f on 0 (a), 2 (c); none on 1 (b)",
    ]


def test_processes_learn_what_they_differ_in_and_what_the_others_found(tmp_path):
    wrong = Finding(PROBLEM, "cache_dir", "cannot be written to.")
    fine = Finding(OK, "proxies", "none.")
    folders = [tmp_path / "0", tmp_path / "1"]
    for folder in folders:
        folder.mkdir()
    found = compared(HOSTS, folders, [[fine, wrong], [fine, wrong]])
    assert found[1] == []
    assert [(each.level, each.check) for each in found[0]] == [
        (PROBLEM, "hosts differ"),
        (OK, "clocks"),
        (NOTE, "cache of all"),
        (PROBLEM, "process 1 (b), cache_dir"),
    ]
    assert found[0][0].text == "commit: 1f on 0 (a); none on 1 (b)"
    assert found[0][2].text.startswith("that of process 0 is not seen by 1 (b).")
    assert [list(folder.iterdir()) for folder in folders] == [[], []]


def test_cache_that_all_see_is_shared_and_nothing_stays_in_it(tmp_path):
    same = [HOSTS[0], {**HOSTS[0], "host": "b"}]
    found = compared(same, [tmp_path / "later", tmp_path / "later"], [[], []])
    assert [(each.level, each.check) for each in found[0]] == [
        (OK, "hosts"),
        (OK, "clocks"),
        (OK, "cache of all"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_clocks_that_are_far_apart_are_named():
    hosts = [*HOSTS, {"host": "c"}]
    assert check_clocks(hosts, [100.0, 100.5, 99.5]).level == OK
    found = check_clocks(hosts, [100.0, 107.5, 99.5])
    assert found.level == NOTE
    assert found.text.startswith("that of 1 (b) is 8.0 s ahead of that of 2 (c).")


def test_variables_that_change_the_program_are_compared_and_those_of_one_process_are_not():
    given = {"XLA_FLAGS": "--a", "JAX_ENABLE_X64": "1", "JAX_PROCESS_ID": "3", "HOME": "/h"}
    assert settings(given) == {"$JAX_ENABLE_X64": "1", "$XLA_FLAGS": "--a"}


def test_package_that_is_missing_is_named():
    found = host.check_versions({"Python": "3.11", "jax": "0.10.2"})
    assert found.level == PROBLEM
    assert found.text.startswith(
        "jaxlib, flax, optax, orbax-checkpoint, grain, numpy not installed"
    )
    assert host.check_versions(host.versions()).level == OK


def test_proxies_are_named_without_their_values_and_only_several_processes_mind():
    given = {"https_proxy": "http://me:secret@proxy", "no_proxy": "a", "HTTP_PROXY": ""}
    found = host.check_proxies(given, several=True)
    assert found.level == NOTE
    assert found.text.startswith("https_proxy set.")
    assert "secret" not in found.text
    assert host.check_proxies(given, several=False).level == OK
    assert host.check_proxies({"no_proxy": "a"}, several=True).level == OK


@pytest.mark.parametrize(
    ("free", "level"), [(2 * host.NO_SPACE, NOTE), (host.NO_SPACE // 2, PROBLEM), (10**12, OK)]
)
def test_folder_with_little_space_is_noted(tmp_path, monkeypatch, free, level):
    usage = type("Usage", (), {"free": free})
    monkeypatch.setattr("launch.host.shutil.disk_usage", lambda path: usage)
    assert host.check_folder("workdir", tmp_path / "runs" / "mine").level == level
    assert list(tmp_path.iterdir()) == []


def test_folder_that_is_a_file_or_cannot_be_written_to_is_a_problem(tmp_path):
    (tmp_path / "file").touch()
    found = host.check_folder("workdir", tmp_path / "file" / "mine")
    assert found.level == PROBLEM
    assert "must be a folder" in found.text
    found = host.check_folder("workdir", pathlib.Path("/proc/nowhere"))
    assert found.level == PROBLEM
    assert "/proc cannot be written to" in found.text


def test_workdir_matters_on_process_0_alone():
    assert check_workdir(pathlib.Path("/proc/nowhere"), 0).level == PROBLEM
    assert check_workdir(pathlib.Path("/proc/nowhere"), 1).level == OK
    assert check_workdir(None, 0).level == NOTE


@pytest.mark.parametrize(
    ("commit", "level"), [("unknown", NOTE), ("1f2e-dirty", NOTE), ("1f2e", OK)]
)
def test_source_that_cannot_be_compared_is_noted(commit, level):
    assert check_commit(commit).level == level


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, None),
        ({"OMPI_MCA_orte_hnp_uri": "1.0;tcp://10.0.0.1:2"}, "Open MPI"),
        ({"TPU_WORKER_HOSTNAMES": "a,b"}, "GKE's TPU variables"),
        ({"SLURM_JOB_ID": "1"}, None),  # in the batch script, outside of srun
        (dict.fromkeys(network._SLURM, "1"), "Slurm"),
    ],
)
def test_cluster_is_detected_as_jax_does(given, found):
    assert network.detected_by(given) == found


def test_how_the_processes_were_found_is_said(monkeypatch):
    for name in [*network._SLURM, "OMPI_MCA_orte_hnp_uri", "TPU_WORKER_HOSTNAMES"]:
        monkeypatch.delenv(name, raising=False)
    assert check_processes(0, 1, by_flags=False).text == "one, as nothing says otherwise."
    assert check_processes(1, 2, by_flags=True).text == "this is process 1 of 2, by the flags."


def roll_called(*others, count, seconds=20.0):
    """Returns what process 0 finds, and what each of the others does, which come one by one."""
    where, found = f"127.0.0.1:{free_port()}", {}

    def come(process):
        found[process] = roll_call.answer(where, process, count, seconds)

    threads = [threading.Thread(target=come, args=(process,)) for process in others]
    for thread in threads:
        thread.start()
        time.sleep(0.2)  # before process 0 is there
    first = roll_call.call(where, count, seconds)
    for thread in threads:
        thread.join()
    return first, found


def test_all_processes_know_when_all_are_here():
    first, others = roll_called(2, 1, count=3)
    assert (first.level, first.text) == (OK, "all 3 processes are here.")
    assert {number: found.level for number, found in others.items()} == {1: OK, 2: OK}


def test_who_is_missing_is_named_to_all():
    first, others = roll_called(2, count=4, seconds=2.0)
    assert first.level == PROBLEM
    assert first.text.startswith("did not come within 2 s: process 1, 3 of 4.")
    assert others[2].level == PROBLEM
    assert "answers; missing: 1, 3 of 4." in others[2].text


def test_two_processes_of_one_number_are_told():
    first, others = roll_called(1, 1, count=3, seconds=5.0)
    assert first.level == PROBLEM
    assert first.text.startswith("process 1 of 3 came, twice perhaps, and this is 0 of 3.")
    assert others[1].level == PROBLEM


def test_other_program_at_the_address_is_not_taken_for_process_0():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=lambda: server.accept()[0].close())
        thread.start()
        found = roll_call.answer(f"127.0.0.1:{port}", 1, 2, 5.0)
        thread.join()
    assert found.level == PROBLEM
    assert "answers, and does not know of this process" in found.text


def test_coordinator_that_does_not_answer_is_a_problem_within_its_time():
    start = time.monotonic()
    found = roll_call.answer(f"127.0.0.1:{free_port()}", 1, 2, 1.0)
    assert time.monotonic() - start < 5
    assert found.level == PROBLEM
    assert "nobody listens. Was this started on all hosts" in found.text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (socket.gaierror(-2, "Name or service not known"), "its name is not known here"),
        (TimeoutError("timed out"), "A firewall between the hosts"),
        (OSError(113, "No route to host"), "No route to host. Is the address right"),
    ],
)
def test_what_to_look_at_depends_on_how_it_failed(error, text):
    assert text in network.cause(error)


def test_port_that_is_taken_is_a_problem_of_process_0():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        found = network.check_own_port(f"127.0.0.1:{port}")
    assert found.level == PROBLEM
    assert f"port {port} cannot be listened on: another process listens there" in found.text
    assert network.check_own_port(f"127.0.0.1:{free_port()}").level == OK
    assert network.check_own_port(f"192.0.2.1:{free_port()}").level == NOTE  # of no host: RFC 5737


def test_one_host_is_looked_over_a_line_a_check(tmp_path):
    code, lines, errors, _ = doctor(
        f"--workdir={tmp_path / 'runs'}", f"--cache_dir={tmp_path}", JAX_NUM_CPU_DEVICES="3"
    )
    assert (code, errors) == (0, "")
    levels, checks = zip(*(line.partition(":")[0].split(maxsplit=1) for line in lines), strict=True)
    assert checks == (
        *("versions", "host", "proxies", "open files", "cache_dir"),
        *("processes", "commit", "workdir", "devices"),
    )
    assert set(levels) <= {OK, NOTE}
    assert lines[-1] == "ok       devices: 3 on cpu: cpu."
    assert list(tmp_path.iterdir()) == []


def test_problem_is_exit_code_2_and_json_says_the_same(tmp_path):
    (tmp_path / "file").touch()
    flags = f"--workdir={tmp_path / 'file'}", f"--cache_dir={tmp_path}", "--json"
    code, lines, errors, _ = doctor(*flags)
    assert (code, errors) == (2, "")
    found = json.loads("\n".join(lines))
    assert found["ok"] is False
    [problem] = [each for each in found["findings"] if each["level"] == PROBLEM]
    assert problem["check"] == "workdir"


def test_coordinator_that_is_not_there_is_told_before_jax_waits_for_it(tmp_path):
    where = f"--coordinator=127.0.0.1:{free_port()}", "--num_processes=2", "--process_id=1"
    code, lines, _, seconds = doctor(*where, "--timeout=2", f"--cache_dir={tmp_path}")
    assert code == 2
    assert lines[-1].startswith("problem  coordinator: 127.0.0.1:")
    assert "does not answer within 2 s" in lines[-1]
    assert seconds < 30


def test_process_0_names_who_does_not_come_and_does_not_abort(tmp_path):
    where = f"--coordinator=127.0.0.1:{free_port()}", "--num_processes=2", "--process_id=0"
    code, lines, _, _ = doctor(*where, "--timeout=2", f"--cache_dir={tmp_path}")
    assert code == 2
    assert lines[-1].startswith("problem  coordinator: did not come within 2 s: process 1 of 2.")


@pytest.mark.slow
def test_two_processes_agree_and_each_knows_which_it_is(tmp_path):
    command = [sys.executable, "-m", "launch.local", "--processes=2", "--devices_per_process=2"]
    command += ["--", "-m", "launch.doctor", f"--cache_dir={tmp_path}"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert process.returncode == 0, process.stdout + process.stderr
    lines = process.stdout.splitlines()
    for number in range(2):
        assert (
            f"[{number}] ok       processes: this is process {number} of 2, by the flags." in lines
        )
        assert f"[{number}] ok       devices: 2 of 4 on cpu: cpu." in lines
    assert "[0] ok       hosts: 2 processes agree in versions and settings." in lines
    assert "[0] ok       cache of all: all processes have the same cache_dir." in lines
    assert not any(line.startswith("[1]") and "of all" in line for line in lines)
