"""What befalls real training processes: what they say, their exit codes, and what is not lost."""

import contextlib
import functools
import json
import re
import resource
import shutil
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

import train
from experiment.analysis import runs
from experiment.training import TIMES, Checkpoints
from experiment.training.checkpoint import __main__ as checkpoint
from tests.tiny_run import ENVIRONMENT, ROOT, command, made_place, training

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the corpus, the cache, and a finished run."""
    folder = made_place(tmp_path_factory, "failures")
    command("train.py", *training(folder / "corpus", folder / "run", folder / "cache"))
    return folder


@pytest.fixture
def arguments(place):
    return functools.partial(training, place / "corpus", cache=place / "cache")


@pytest.fixture
def broken(place, tmp_path):
    """A copy of the finished run, to do harm to."""
    shutil.copytree(place / "run", tmp_path / "run")
    return tmp_path / "run"


@contextlib.contextmanager
def running(arguments, **changes):
    """A training process that has saved its first checkpoint, with what it says."""
    process = subprocess.Popen(
        [sys.executable, ROOT / "train.py", *arguments],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **changes,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(there, process):
    end = time.monotonic() + 60
    while not there():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end
        time.sleep(0.005)


def is_saved(workdir):
    return lambda: list(workdir.glob("checkpoints/*/manifest.json"))


def ended(process):
    """The exit code, and the last line said."""
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said, said
    return process.returncode, said.strip().splitlines()[-1]


def results_of(workdir):
    return json.loads((workdir / "results.json").read_text())


def damage(workdir, *steps):
    for step in steps:
        file = max((workdir / "checkpoints" / str(step) / "params" / "d").iterdir())
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)


ENDLESS = {"train__num_steps": 100_000, "train__save_every": 50}


def test_sigterm_saves_and_exits_with_42(arguments, tmp_path):
    wanted = arguments(workdir=tmp_path / "run", **ENDLESS)
    with running(wanted) as process:
        wait_until(is_saved(tmp_path / "run"), process)
        process.terminate()
        code, last = ended(process)
    assert code == 42
    assert last.startswith("stopped and saved after step ")
    assert last.endswith("; the same command goes on from there.")


def test_second_process_on_a_workdir_is_refused(arguments, tmp_path):
    wanted = arguments(workdir=tmp_path / "run", **ENDLESS)
    with running(wanted) as process:
        wait_until(is_saved(tmp_path / "run"), process)
        second = command("train.py", *wanted, code=3)
    last = second.stderr.strip().splitlines()[-1]
    assert last.startswith(f"error: {tmp_path / 'run'} is in use by process {process.pid} on ")
    assert last.endswith(". Wait for it, stop it, or choose another --workdir.")


def test_full_disk_leaves_the_last_checkpoint_and_says_what_to_do(arguments, tmp_path):
    """No file may grow beyond a size that a checkpoint's record does not keep to."""
    wanted = arguments(workdir=tmp_path / "run", **ENDLESS)
    with running(wanted) as process:
        wait_until(is_saved(tmp_path / "run"), process)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (100_000, 100_000))
        code, last = ended(process)
    assert code == 5
    assert "could not be written to" in last
    assert "File too large" in last
    assert last.endswith("Make room or mend the disk; the same command goes on from there.")
    steps = Checkpoints(tmp_path / "run" / "checkpoints").verify()
    assert f"step {steps[-1]:,} is the newest that is whole" in last
    shutil.rmtree(tmp_path / "run" / "tensorboard")
    command(
        "train.py",
        *arguments(workdir=tmp_path / "run", **ENDLESS | {"train__num_steps": steps[-1] + 50}),
    )


def test_workdir_that_goes_away_is_noticed(arguments, tmp_path):
    with running(arguments(workdir=tmp_path / "run", **ENDLESS)) as process:
        wait_until(is_saved(tmp_path / "run"), process)
        (tmp_path / "run").rename(tmp_path / "moved")
        code, last = ended(process)
    assert code == 5
    assert f"{tmp_path / 'run' / 'checkpoints'} is gone; put it back" in last
    assert Checkpoints(tmp_path / "moved" / "checkpoints").verify()
    assert not (tmp_path / "run").exists()


def test_workdir_that_goes_away_while_it_is_scored_is_not_made_anew(place, arguments, tmp_path):
    wanted = arguments(workdir=tmp_path / "run")
    with running(wanted) as process:
        wait_until(lambda: "scoring test" in process.stderr.readline(), process)
        (tmp_path / "run").rename(tmp_path / "moved")
        code, last = ended(process)
    assert code == 5
    assert "No such file or directory. What was saved before is whole" in last
    assert not (tmp_path / "run").exists()
    (tmp_path / "moved").rename(tmp_path / "run")
    command("train.py", *wanted)
    ours, theirs = (folder / "run" / "translations.txt" for folder in (tmp_path, place))
    assert ours.read_bytes() == theirs.read_bytes()


def test_newest_checkpoint_that_is_damaged_is_set_aside_and_the_run_ends_as_ever(
    place, arguments, broken
):
    (broken / "results.json").unlink()
    damage(broken, 300)
    ended = command("train.py", *arguments(workdir=broken))
    said = ended.stderr.splitlines()
    assert any(
        line.startswith(f"{broken}: the checkpoint of step 300 is damaged (") for line in said
    )
    assert f"{broken}: using the checkpoint of step 280." in said
    assert f"step 300 is set aside as {broken / 'damaged' / '300'}." in said
    ours, theirs = runs.load(broken), runs.load(place / "run")
    assert ours.steps == theirs.steps
    jax.tree.map(np.testing.assert_array_equal, ours.params, theirs.params)
    lines = [
        [
            {name: value for name, value in line.items() if name not in TIMES}
            for line in run.metrics()
        ]
        for run in (ours, theirs)
    ]
    assert lines[0] == lines[1]


def test_no_good_checkpoint_is_exit_code_4_and_nothing_is_changed(arguments, broken):
    (broken / "results.json").unlink()
    damage(broken, 240, 280, 300)
    before = {path: path.is_file() and path.read_bytes() for path in broken.rglob("*")}
    last = command("train.py", *arguments(workdir=broken), code=4).stderr.splitlines()[-1]
    assert last.startswith(f"error: {broken} has no checkpoint that is as it was written (step 240")
    assert {path: path.is_file() and path.read_bytes() for path in broken.rglob("*")} == before


def test_damaged_checkpoint_is_left_out_of_a_mean_and_named(broken):
    damage(broken, 280)
    ended = command(
        "evaluate.py",
        f"--workdir={broken}",
        f"--cache_dir={broken.parent / 'cache'}",
        "--average=3",
        code=2,
    )
    assert f"{broken}: the checkpoint of step 280 is damaged (" in ended.stderr
    assert ended.stderr.splitlines()[-1] == f"error: {broken} has 2 checkpoints, not --average=3."


def test_verify_reads_every_checkpoint(place, broken, capsys):
    checkpoint.main(["verify", str(place / "run")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        f"step {step}: as it was written" for step in (240, 280, 300)
    ]
    results = results_of(broken)
    assert lines[-1].endswith(f"digest {results['checkpoint']}")
    damage(broken, 280)
    with pytest.raises(SystemExit) as ended:
        checkpoint.main(["verify", str(broken)])
    assert ended.value.code == 4
    printed, said = capsys.readouterr()
    assert printed.splitlines()[-1].startswith("step 280: DAMAGED: the digest of params/d/")
    assert said.splitlines()[-1] == (
        f"error: {broken}: 1 of its checkpoints are damaged. Training leaves them out, and goes on "
        "from the newest that is whole."
    )


@pytest.fixture
def damaged_programs(place, tmp_path):
    """Every compiled program that is kept, damaged where it lies: elsewhere none would be found."""
    compiled = place / "cache" / "compiled"
    shutil.copytree(compiled, tmp_path / "compiled")
    for program in [path for path in compiled.rglob("*") if path.is_file()]:
        program.write_bytes(b"no program")
    yield
    shutil.rmtree(compiled)
    shutil.move(tmp_path / "compiled", compiled)


@pytest.mark.usefixtures("damaged_programs")
def test_compiled_programs_that_are_damaged_do_no_harm(arguments, place, tmp_path):
    said = command("train.py", *arguments(workdir=tmp_path / "run")).stderr
    assert re.search(r"Error reading .* 'jit_\w+'", said)  # jax met them
    ours, theirs = tmp_path / "run", place / "run"
    assert results_of(ours)["checkpoint"] == results_of(theirs)["checkpoint"]
    assert (ours / "translations.txt").read_bytes() == (theirs / "translations.txt").read_bytes()


def test_cache_that_cannot_be_written_is_refused(arguments, tmp_path):
    (tmp_path / "file").write_text("in its place")
    wanted = arguments(workdir=tmp_path / "run")[:-1]
    ended = command("train.py", *wanted, f"--cache_dir={tmp_path / 'file'}", code=2)
    assert ended.stderr.splitlines()[-1].startswith(f"error: {tmp_path / 'file'}")


# Starting anew from the parameters of another run.


@pytest.fixture(scope="module")
def finetuned(place):
    """A run of 80 steps, each of them saved, that began with the parameters of the finished one."""
    wanted = training(
        place / "corpus",
        place / "finetuned",
        place / "cache",
        seed=3,
        train__num_steps=80,
        train__save_every=1,
        train__keep_checkpoints=80,
        train__evaluate_every=80,
    )
    command("train.py", *wanted, f"--finetune_from={place / 'run'}")
    return place / "finetuned"


def test_finetuning_starts_from_the_newest_parameters_with_a_fresh_optimizer(place, finetuned):
    origin = json.loads((finetuned / "finetuned_from.json").read_text())
    results = results_of(place / "run")
    assert origin == {"workdir": str(place / "run"), "step": 300, "digest": results["checkpoint"]}
    before = runs.load(place / "run", step=300).params
    after, later = (runs.load(finetuned, step=step).params for step in (1, 80))
    # The first step of a warm-up is small, that of Adam is of its learning rate.
    rate = 16**-0.5 * 20**-1.5
    jax.tree.map(
        functools.partial(np.testing.assert_allclose, rtol=0, atol=1.01 * rate), after, before
    )
    assert any(
        (np.abs(a - b) > rate).any()
        for a, b in zip(jax.tree.leaves(later), jax.tree.leaves(before), strict=True)
    )


def test_finetuning_goes_on_without_the_flag_and_is_refused_from_elsewhere(
    place, arguments, tmp_path
):
    wanted = arguments(workdir=tmp_path / "run", seed=3, train__num_steps=40)
    command("train.py", *wanted, f"--finetune_from={place / 'run'}")
    for left in [*(tmp_path / "run").glob("[crtv]*"), *(tmp_path / "run").glob("metrics*")]:
        shutil.rmtree(left) if left.is_dir() else left.unlink()  # as killed in its first moments
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["finetuned_from.json"]
    command("train.py", *wanted)
    first = runs.load(tmp_path / "run").metrics()[0]
    assert first["loss"] < runs.load(place / "run").metrics()[0]["loss"] / 2
    refused = command("train.py", *wanted, f"--finetune_from={tmp_path}", code=2)
    assert refused.stderr.splitlines()[-1] == (
        f"error: {tmp_path / 'run'} was started from {place / 'run'}, not from "
        f"--finetune_from={tmp_path}. Choose another --workdir."
    )


def test_finetuned_run_does_not_need_its_origin_any_more(finetuned, arguments, broken, tmp_path):
    """It goes on with its own parameters: it ends as the one that had its origin all the time."""
    wanted = functools.partial(arguments, workdir=tmp_path / "new", seed=3)
    command("train.py", *wanted(train__num_steps=40), f"--finetune_from={broken}")
    broken.rename(tmp_path / "moved")
    command("train.py", *wanted(train__num_steps=80), f"--finetune_from={broken}")
    ours, theirs = results_of(tmp_path / "new"), results_of(finetuned)
    assert (ours["step"], ours["checkpoint"]) == (80, theirs["checkpoint"])


def test_finetuning_says_if_the_newest_parameters_are_damaged(arguments, broken, tmp_path):
    damage(broken, 300)
    ended = command(
        "train.py",
        *arguments(workdir=tmp_path / "new", train__num_steps=1),
        f"--finetune_from={broken}",
    )
    assert f"{broken}: the checkpoint of step 300 is damaged (" in ended.stderr
    assert json.loads((tmp_path / "new" / "finetuned_from.json").read_text())["step"] == 280


def test_seed_with_a_damaged_checkpoint_has_it_set_aside(place, arguments, tmp_path):
    wanted = functools.partial(arguments, workdir=tmp_path / "two")
    command("train.py", *wanted(train__num_steps=80), "--seeds=2")
    damage(tmp_path / "two" / "seed_1", 80)
    ended = command("train.py", *wanted(train__num_steps=120), "--seeds=2")
    assert f"{tmp_path / 'two' / 'seed_1'}: the checkpoint of step 80 is damaged (" in ended.stderr
    assert (tmp_path / "two" / "seed_1" / "damaged" / "80").exists()
    assert runs.load(tmp_path / "two" / "seed_1").steps == (40, 80, 120)


def test_workdir_below_a_file_is_refused_before_anything_is_prepared(arguments, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        train.main(
            [*arguments(workdir=tmp_path / "file" / "run")[:-1], f"--cache_dir={tmp_path}/c"]
        )
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: --workdir={tmp_path / 'file' / 'run'} must be a folder; {tmp_path / 'file'} is a "
        "file. Name another.\n"
    )
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("changes", "source", "message"),
    [
        (
            {"model__d_ff": 64},
            "run",
            "--finetune_from={source} has model.d_ff=32, this config has 64. Give "
            "--config.model.d_ff=32.",
        ),
        (
            {},
            "corpus",
            "{source} holds no run (no config.json). Train one with `python train.py "
            "--workdir={source}`, or name another --workdir.",
        ),
    ],
)
def test_finetuning_needs_a_run_of_the_same_model(
    place, arguments, tmp_path, capsys, changes, source, message
):
    with pytest.raises(SystemExit) as ended:
        train.main(
            [*arguments(workdir=tmp_path / "run", **changes), f"--finetune_from={place / source}"]
        )
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: " + message.format(
        source=place / source
    )
    assert not (tmp_path / "run").exists()


def test_run_that_began_without_is_not_finetuned(place, arguments, broken):
    wanted = [*arguments(workdir=broken, train__num_steps=301), f"--finetune_from={place / 'run'}"]
    refused = command("train.py", *wanted, code=2)
    assert refused.stderr.splitlines()[-1] == (
        f"error: {broken} was started without --finetune_from={place / 'run'}. Choose another "
        "--workdir."
    )
