"""`sweep.py`, end to end: rows of a made-up language, trained by real processes."""

import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

import pytest

from experiment.analysis import runs
from tests.tiny_run import ENVIRONMENT, ROOT, TINY, command, made_place

pytestmark = pytest.mark.slow

STEPS = 60
AS_BEFORE = ("--processes=2",)  # on as many processors, additions are in the same order
EVALUATE_ALWAYS = "--config.train.evaluate_every=1"
CONFIG = """
from configs import parallel_text

ROWS = {"base": {}, "A": {"model.num_heads": 1}, "B": {"model.d_ff": 64}}
PUBLISHED = {"base": {"perplexity": 5.0, "bleu": 25.0}, "A": {"perplexity": 6.0, "bleu": 24.0}}

def get_config(row="base"):
    config = parallel_text.get_config()
    config.update_from_flattened_dict(ROWS[row])
    return config
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = made_place(tmp_path_factory, "sweep")
    (folder / "rows.py").write_text(CONFIG)
    return folder


def arguments(place, workdir, *flags):
    settings = TINY | {"train.num_steps": STEPS, "train.evaluate_every": 30, "model.d_ff": 32}
    del settings["model.num_heads"], settings["model.d_ff"]  # they are what the rows change
    return [
        f"--config={place / 'rows.py'}",
        f"--config.data.dir={place / 'corpus'}",
        *(f"--config.{name}={value}" for name, value in settings.items()),
        f"--workdir={workdir}",
        f"--cache_dir={place / 'cache'}",
        *flags,
    ]


@pytest.fixture(scope="module")
def swept(place):
    return command("sweep.py", *arguments(place, place / "swept", *AS_BEFORE))


def test_a_sweep_leaves_a_table_a_figure_and_ordinary_runs(place, swept):
    folder = place / "swept"
    assert {path.name for path in folder.iterdir()} == {
        *("base", "A", "B", "table.md", "table.csv", "figure.png"),
    }
    assert swept.stdout == (folder / "table.md").read_text() + "\n"
    with (folder / "table.csv").open() as file:
        lines = {line["row"]: line for line in csv.DictReader(file)}
    for name in ("base", "A", "B"):
        run, results = (
            runs.load(folder / name),
            json.loads((folder / name / "results.json").read_text()),
        )
        assert int(lines[name]["parameters"]) == run.num_params == results["num_params"]
        assert float(lines[name]["perplexity"]) == results["perplexity"]
        assert float(lines[name]["sacrebleu"]) == results["sacrebleu"]
    assert lines["A"]["paper_perplexity"] == "6.0"
    assert 0 < float(lines["A"]["p_value"]) <= 1
    assert lines["base"]["p_value"] == ""


def test_finished_rows_are_not_run_again(place, swept):
    before = {path: path.stat().st_mtime_ns for path in (place / "swept").rglob("results.json")}
    again = command("sweep.py", *arguments(place, place / "swept"))
    assert "started" not in again.stderr
    assert again.stdout == swept.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_stopped_it_goes_on_and_ends_as_if_never_stopped(place, swept):
    folder = place / "stopped"
    sweep = subprocess.Popen(
        # Evaluated after each step, a row takes longer than it takes to be asked to stop.
        [sys.executable, ROOT / "sweep.py", *arguments(place, folder, *AS_BEFORE, EVALUATE_ALWAYS)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        metrics = folder / "base" / "metrics.jsonl"
        while sweep.poll() is None and not (metrics.exists() and metrics.read_text()):
            time.sleep(0.005)
        sweep.send_signal(signal.SIGTERM)
        _, said = sweep.communicate(timeout=120)
    finally:
        sweep.kill()
    assert sweep.returncode == 42
    assert "base: ended with exit code 42: stopped and saved after step" in said
    assert said.rstrip().endswith("the same command goes on from there.")
    assert not (folder / "B").exists()

    plan = command("sweep.py", *arguments(place, folder, "--dry_run")).stdout
    assert re.search(r"^base .* at step \d+$", plan, re.MULTILINE)

    command("sweep.py", *arguments(place, folder, *AS_BEFORE))
    logs = (folder / "base" / "log.txt").read_text()
    assert "goes on after step" in logs
    timeless = {"perplexity", "sacrebleu", "chrf", "nll", "step", "target_tokens"}
    for name in ("base", "A", "B"):
        once, stopped = (
            json.loads((path / name / "results.json").read_text())
            for path in (place / "swept", folder)
        )
        assert {key: once[key] for key in timeless} == {key: stopped[key] for key in timeless}


def test_several_seeds_of_a_row_are_runs_of_their_own_and_one_line_of_the_table(place):
    folder = place / "seeds"
    command("sweep.py", *arguments(place, folder, *AS_BEFORE, "--rows=A", "--seeds=2"))
    with (folder / "table.csv").open() as file:
        lines = {line["row"]: line for line in csv.DictReader(file)}
    assert list(lines) == ["base", "A"]
    for name, line in lines.items():
        found = [
            json.loads((folder / name / f"seed_{seed}" / "results.json").read_text())["perplexity"]
            for seed in (0, 1)
        ]
        assert float(line["perplexity"]) == pytest.approx(sum(found) / 2)
        assert float(line["perplexity_deviation"]) == pytest.approx(
            abs(found[0] - found[1]) / 2**0.5
        )


def test_a_row_that_fails_is_named_and_the_others_are_trained(place):
    folder = place / "failing"
    (folder / "A").mkdir(parents=True)
    (folder / "A" / "vocabulary.model").write_bytes(b"broken")
    failed = command("sweep.py", *arguments(place, folder), code=2)
    *_, last = failed.stderr.splitlines()
    assert last.startswith(
        "error: 1 of 3 rows did not finish (A). The first ended with exit code 2; see "
    )
    assert os.path.exists(last.rpartition("see ")[2].rstrip("."))
    assert "| A | num_heads 1 |" in failed.stdout
    assert json.loads((folder / "B" / "results.json").read_text())["step"] == STEPS


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--rows=Q"], "error: --rows=Q is no row of the config. It has base, A, B."),
        (["--processes=0"], "error: --processes=0 must be at least 1."),
        (["--config.model.heads=2"], "error: config has no setting 'heads'"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(place, flags, expected):
    refused = command("sweep.py", *arguments(place, place / "never", *flags), code=2)
    assert refused.stderr.startswith(expected.format(place=place))
    assert refused.stderr.count("\n") == 1
    assert not (place / "never").exists()


def test_table_3_is_printed_with_its_20_rows(tmp_path):
    plan = command(
        "sweep.py",
        f"--config={ROOT / 'configs' / 'table3.py'}",
        "--dry_run",
        f"--workdir={tmp_path / 'never'}",
    ).stdout.splitlines()
    names = [line.split()[0] for line in plan[1:21]]
    assert names[0] == "base"
    assert names[-1] == "big"
    assert len(set(names)) == 20
    assert not (tmp_path / "never").exists()
    assert pathlib.Path(ROOT / "docs" / "parameters.md").exists()
