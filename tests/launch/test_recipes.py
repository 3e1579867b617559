import contextlib
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

import pytest
import yaml

import train
from launch import doctor, local

ROOT = pathlib.Path(__file__).parents[2]
LAUNCH = ROOT / "launch"
TPU_POD, SBATCH = LAUNCH / "tpu_pod.sh", LAUNCH / "slurm.sbatch"
COMMANDS = {"train": train.main, "doctor": doctor.main, "local": local.main}
SLICE = ("--tpu=mine", "--zone=here")
# Does on this machine what it is told to do on the workers, as their shells would.
GCLOUD = """#!/usr/bin/env bash
printf '%s\\n' "$@" >"$HOME/arguments"
for argument; do case $argument in --command=*) cd "$HOME" && bash -c "${argument#*=}" ;; esac; done
"""
# A train.py that tells its arguments, and saves when it is asked to stop.
TRAIN = """
import json, os, signal, sys, time
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
print(json.dumps([sys.argv[1:], os.environ.get("JAX_COORDINATOR_PORT")]), flush=True)
end = time.monotonic() + 60
while not asked and time.monotonic() < end: time.sleep(0.02)
print("saved", flush=True)
sys.exit(42)
"""
SRUN = """#!/usr/bin/env bash
printf '%s ' "$@" >>calls
echo >>calls
case "$*" in *launch.doctor*) exit "${DOCTOR:-0}" ;; *) exit "${TRAINED:-0}" ;; esac
"""


def executable(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def worker(tmp_path):
    """A home folder with a checkout in it, and a gcloud that leads there."""
    executable(tmp_path / "bin" / "gcloud", GCLOUD)
    checkout = tmp_path / "attention-lab"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to(sys.executable)
    (checkout / "train.py").write_text(TRAIN)
    return tmp_path


def tpu_pod(home, *arguments):
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(TPU_POD), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home), "PATH": path},
        timeout=60,
    )


def until(condition):
    end = time.monotonic() + 30
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    assert condition()


def log_of(home):
    log = home / "attention-lab" / "train.log"
    return log.read_text().splitlines() if log.exists() else []


def slurm(folder, *arguments, **environment):
    """Runs the batch script with made-up commands; returns its exit code and their calls."""
    executable(folder / "bin" / "srun", SRUN)
    executable(folder / "bin" / "scontrol", '#!/bin/sh\necho "scontrol $*" >>calls\n')
    environment = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "8", **environment}
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    process = subprocess.run(
        ["bash", str(SBATCH), *arguments],
        cwd=folder,
        env={**os.environ, **environment, "PATH": path},
        timeout=60,
    )
    return process.returncode, (folder / "calls").read_text().splitlines()


def flags_of(main):
    """The flags that a command of ours says it has."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit):
        main(["--help"])
    return set(re.findall(r"--[a-z_]+", said.getvalue()))


@pytest.mark.parametrize("script", [TPU_POD, SBATCH], ids=lambda path: path.name)
def test_script_can_be_parsed(script):
    checked = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", [TPU_POD, SBATCH], ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script):
    checked = subprocess.run(["shellcheck", str(script)], capture_output=True, text=True)
    assert checked.stdout == ""


def test_dry_run_prints_the_command_and_calls_nothing(worker):
    flags = (*SLICE, "--project=ours", "--port=8476", "--dry_run")
    done = tpu_pod(worker, "train", *flags, "--", "--workdir=/mnt/my runs")
    assert (done.returncode, done.stderr) == (0, "")
    words = shlex.split(done.stdout)
    assert words[:8] == [
        *("gcloud", "compute", "tpus", "tpu-vm", "ssh", "mine"),
        *("--zone=here", "--project=ours"),
    ]
    assert words[8] == "--worker=all"
    assert "JAX_COORDINATOR_PORT=8476 nohup .venv/bin/python train.py" in words[9]
    assert not (worker / "arguments").exists()
    assert not (worker / "attention-lab" / "train.pid").exists()


def test_training_starts_once_goes_on_alone_and_saves_when_it_is_stopped(worker):
    given = ["--config=configs/table3.py:B1", "--workdir=/mnt/my 'runs'", "--x=$HOME"]
    assert tpu_pod(worker, "train", *SLICE, "--port=8476", "--", *given).returncode == 0
    until(lambda: log_of(worker))
    assert json.loads(log_of(worker)[0]) == [given, "8476"]
    again = tpu_pod(worker, "train", *SLICE, "--", *given)
    assert (again.returncode, again.stderr) == (3, "It runs already; stop it first.\n")
    assert "(it runs)" in tpu_pod(worker, "logs", *SLICE).stdout
    assert tpu_pod(worker, "stop", *SLICE).returncode == 0
    until(lambda: log_of(worker)[-1] == "saved")
    until(lambda: "(it has ended)" in tpu_pod(worker, "logs", *SLICE).stdout)
    assert "It does not run." in tpu_pod(worker, "stop", *SLICE).stdout
    assert len(log_of(worker)) == 2


def test_number_of_another_process_is_not_taken_for_the_run(worker):
    (worker / "attention-lab" / "train.pid").write_text(f"{os.getpid()}\n")
    assert "It does not run." in tpu_pod(worker, "stop", *SLICE).stdout


def test_setup_clones_the_commit_and_installs_for_tpu(worker):
    source = worker / "source"
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(source)]
    subprocess.run(["git", "init", "-q", str(source)], check=True)
    for text in ("old", "new"):
        (source / "file").write_text(text)
        subprocess.run([*git, "add", "file"], check=True)
        subprocess.run([*git, "commit", "-q", "-m", text], check=True)
    subprocess.run([*git, "branch", "older", "HEAD~1"], check=True)
    # A Python whose environments have a pip that only tells what it is asked for.
    pip = '#!/bin/sh\necho "$@" >>"$HOME/pip"\n'
    python = f"""#!/usr/bin/env bash
if [ "$1" = -c ]; then exec {shlex.quote(sys.executable)} "$@"; fi
mkdir -p "$3/bin" && printf %s {shlex.quote(pip)} >"$3/bin/pip" && chmod +x "$3/bin/pip"
"""
    executable(worker / "bin" / "my python", python)
    flags = ("--folder=my copy", f"--repository={source}", "--python=my python")
    for commit, text in (("older", "old"), ("HEAD", "new")):
        done = tpu_pod(worker, "setup", *SLICE, *flags, f"--commit={commit}")
        assert (done.returncode, done.stderr) == (0, "")
        assert (worker / "my copy" / "file").read_text() == text
    assert (worker / "pip").read_text() == 2 * "install -qq -c constraints.txt -e .[tpu]\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "launch/tpu_pod.sh setup "),
        (("begin",), "launch/tpu_pod.sh setup "),
        (("train", "--tpu=mine"), "error: --tpu and --zone must say which slice."),
        (("setup", *SLICE), "error: --repository must name what the workers clone"),
        (("train", *SLICE, "--workdir=x"), "error: --workdir=x is no flag of this script."),
    ],
)
def test_what_cannot_be_done_is_refused(worker, arguments, why):
    done = tpu_pod(worker, *arguments)
    assert done.returncode == 2
    assert why in done.stderr
    assert not (worker / "arguments").exists()


def test_slurm_job_looks_hosts_over_then_trains(tmp_path):
    given = ["--config=configs/numbers.py", "--workdir=/shared/mine"]
    code, calls = slurm(tmp_path, *given)
    options = "--kill-on-bad-exit=0 --label --cpus-per-task=8 .venv/bin/python"
    assert code == 0
    assert calls == [
        f"{options} -m launch.doctor --workdir=/shared/mine ",
        f"{options} train.py {' '.join(given)} ",
    ]


def test_slurm_job_that_saved_is_queued_again_and_then_not_looked_over(tmp_path):
    code, calls = slurm(tmp_path, TRAINED="42", SLURM_RESTART_COUNT="1")
    assert code == 42
    assert len(calls) == 2
    assert "train.py" in calls[0]
    assert calls[1] == "scontrol requeue 7"


def test_slurm_job_that_failed_is_not_queued_again(tmp_path):
    code, calls = slurm(tmp_path, TRAINED="5")
    assert code == 5
    assert not any("scontrol" in call for call in calls)


def test_slurm_job_does_not_train_where_there_is_a_problem(tmp_path):
    code, calls = slurm(tmp_path, DOCTOR="2")
    assert code == 2
    assert len(calls) == 1


def test_slurm_options_stand_before_the_first_command():
    """`sbatch` reads no further than that."""
    lines = SBATCH.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line and not line.startswith("#"))
    options = [n for n, line in enumerate(lines) if line.startswith("#SBATCH")]
    assert max(options) < first
    tasks, gpus = (
        next(line for line in lines if line.startswith(f"#SBATCH --{name}=")).split("=")[1]
        for name in ("ntasks-per-node", "gpus-per-node")
    )
    assert tasks == gpus


def test_gke_pods_find_each_other_and_come_again_when_they_saved():
    service, job = yaml.safe_load_all((LAUNCH / "gke.yaml").read_text())
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert (spec["completionMode"], spec["completions"]) == ("Indexed", spec["parallelism"])
    assert pod["restartPolicy"] == "Never"  # or Kubernetes refuses the policy of failures
    rules = spec["podFailurePolicy"]["rules"]
    codes = {rule["action"]: rule["onExitCodes"] for rule in rules if "onExitCodes" in rule}
    assert codes["Ignore"]["values"] == [42]
    assert codes["FailJob"]["values"] == [2, 4, 6]
    [container] = pod["containers"]
    assert {code["containerName"] for code in codes.values()} == {container["name"]}
    chips = container["resources"]
    assert chips["limits"] == chips["requests"]
    [mount], [volume] = container["volumeMounts"], pod["volumes"]
    assert mount["name"] == volume["name"]
    subprocess.run(["sh", "-n", "-c", container["args"][0]], check=True)
    paths = re.findall(r"--(?:workdir|cache_dir)=(\S+?);?(?:\s|$)", container["args"][0])
    assert len(paths) == 4
    assert all(path.startswith(f"{mount['mountPath']}/") for path in paths)


def test_recipes_use_only_flags_that_the_commands_have():
    has = {name: flags_of(main) for name, main in COMMANDS.items()}
    files = (TPU_POD, SBATCH, LAUNCH / "gke.yaml", ROOT / "docs" / "launch.md")
    text = "\n".join(path.read_text() for path in files)
    flags = r"((?:\s+--[a-z_]+(?:=\S*)?)+)"
    used = re.findall(rf"(?:launch\.)?(train|doctor|local)(?:\.py)?{flags}", text)
    # Of tpu_pod.sh, what stands behind -- is for the command.
    used += re.findall(rf"tpu_pod\.sh (train|doctor) [^\n]* --{flags}", text)
    used = [(name, said) for name, said in used if "--tpu" not in said]
    assert {name for name, _ in used} == set(has)
    assert len(used) > 12
    for name, said in used:
        assert set(re.findall(r"--[a-z_]+", said)) <= has[name], said


def test_recipes_name_no_registry_and_no_place_of_ours():
    for file in (TPU_POD, SBATCH, LAUNCH / "gke.yaml", ROOT / "docs" / "launch.md"):
        text = file.read_text()
        assert not re.search(r"\b(gcr\.io|pkg\.dev|docker\.io|pypi|quay\.io|/home/)", text), file
