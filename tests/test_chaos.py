"""`make chaos`, in little: a run that is killed, a checkpoint damaged; and that both can fail."""

import json
import random
import shutil

import pytest

from benchmarks.chaos import damage, summary, watched
from benchmarks.chaos.compared import differences, litter
from benchmarks.chaos.kills import killed, uninterrupted
from experiment.training import TIMES, Checkpoints
from tests.tiny_run import made_place, training

pytestmark = pytest.mark.slow

AIMS = (watched.EVALUATING, watched.ARRAYS, watched.SCORING)
SETTINGS = {"train.num_steps": 60, "train.save_every": 10, "train.log_every": 3}
SETTINGS |= {"train.evaluate_every": 25}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return made_place(tmp_path_factory, "chaos")


@pytest.fixture(scope="module")
def arguments(place):
    *settings, _, cache = training(place / "corpus", place, place / "cache", **SETTINGS)
    return [*settings, cache]


@pytest.fixture(scope="module")
def plain(place, arguments):
    """A run that was never killed."""
    uninterrupted(arguments, place / "plain")
    return place / "plain"


@pytest.fixture
def copy(plain, tmp_path):
    return damage.copied(plain, tmp_path / "copy" / "checkpoints")


def test_run_that_is_killed_three_times_leaves_what_one_leaves_that_never_was(
    place, arguments, plain
):
    """Each time as soon as it does what is aimed at."""
    run = killed(arguments, place / "killed", {}, AIMS, random.Random(0), lambda kill: None)
    assert len(run.kills) == 3
    assert run.kills[1].state.startswith("saving")
    assert run.count("which is gone; taken over.") == 3
    assert run.troubles() == []
    assert differences(place / "killed", plain) == []
    assert litter(place / "killed", plain) == []


def change_line(lines):
    return [*lines[:3], lines[3].replace('"loss": ', '"loss": 1'), *lines[4:]]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (change_line, "metrics.jsonl: 1 of 23 differ, first line 4: "),
        (lambda lines: lines[:-1], "metrics.jsonl: 1 of 23 differ, first line 23: absent for "),
        (lambda lines: [*lines, lines[-1]], "metrics.jsonl: 1 of 23 differ, first line 24: "),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "metrics.jsonl: 2 of 23 differ"),
    ],
)
def test_other_metrics_are_a_difference(plain, tmp_path, change, found):
    metrics = shutil.copytree(plain, tmp_path / "run") / "metrics.jsonl"
    lines = change(metrics.read_text().splitlines())
    metrics.write_text("".join(f"{line}\n" for line in lines))
    [said] = differences(tmp_path / "run", plain)
    assert said.startswith(found)


def test_other_results_and_translations_are_a_difference_and_times_are_none(plain, tmp_path):
    run = shutil.copytree(plain, tmp_path / "run")
    results = json.loads((run / "results.json").read_text())
    (run / "results.json").write_text(json.dumps({**results, "train_seconds": 1.0}))
    assert differences(run, plain) == []
    (run / "results.json").write_text(json.dumps({**results, "nll": results["nll"] + 1e-15}))
    (run / "translations.txt").write_bytes((plain / "translations.txt").read_bytes() + b"\n")
    of_translations, of_results = differences(run, plain)
    assert of_translations == "translations.txt differs"
    assert of_results.startswith(
        f"results.json: 1 of {len(results.keys() - TIMES)} differ, first nll: "
    )


def test_checkpoint_that_is_gone_or_damaged_is_a_difference(plain, tmp_path):
    run = shutil.copytree(plain, tmp_path / "run")
    shutil.rmtree(run / "checkpoints" / "50")
    (run / "checkpoints" / "60" / "params" / "_METADATA").write_text("")
    [said] = differences(run, plain)
    assert said.startswith("checkpoints: 3 of 4 differ, first step 50: absent for ")


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], ""),
        (["10", "20"], ""),
        (["10", ".unfinished/20.orbax-checkpoint-tmp"], watched.ARRAYS),
        (["10", ".unfinished/20"], watched.MANIFEST),
        (["10", "20", ".unfinished/10.deleted"], watched.CLEARING),
    ],
)
def test_files_tell_how_far_a_save_has_come(tmp_path, names, found):
    for name in names:
        (tmp_path / name).mkdir(parents=True)
    assert watched.half_written(tmp_path) == found


def outcomes(copy, trials, restored=0):
    chance = random.Random(0)
    return damage.outcomes(copy, trials, restored=restored, chance=chance, tell=lambda done: None)


def test_damage_is_noticed_in_every_file(copy):
    files = copy.files()
    before = [path.read_bytes() for path in files]
    trials = damage.trials(copy, every=5_000, bits=1, chance=random.Random(0))
    found = outcomes(copy, trials)
    assert {end for _, end in found.counts} == {damage.DETECTED}
    assert found.kinds[damage.GONE] == found.fallbacks == len(files)
    assert [path.read_bytes() for path in files] == before
    assert "| all |" in summary.of([], found, [], 1.0)


@pytest.mark.parametrize("restored", [0, 1])
def test_damage_that_nothing_notices_is_found_to_be_wrong(copy, monkeypatch, restored):
    """As if another state were read, and taken for the newest."""
    restore = Checkpoints.restore
    monkeypatch.setattr(Checkpoints, "restore", lambda self, _, like: restore(self, 50, like))
    monkeypatch.setattr(Checkpoints, "is_whole", lambda self, step: True)
    path = copy.files()[0]
    found = outcomes(copy, [damage.Trial(path, damage.CUT, path.read_bytes())], restored=restored)
    assert found.counts == {(path.name, damage.WRONG): 1}
    assert found.troubles == [f"{path}: cut off: not noticed"]


def test_damage_that_changes_nothing_is_harmless(copy):
    path = copy.files()[0]
    found = outcomes(copy, [damage.Trial(path, damage.CUT, path.read_bytes())], restored=1)
    assert found.counts == {(path.name, damage.HARMLESS): 1}
