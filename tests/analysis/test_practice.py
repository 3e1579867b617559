import pytest

from experiment.analysis.practice import RUNS_VARIABLE, find_or_train
from experiment.config_files import load_config
from experiment.training import Workdir, write_json
from tests.tiny_run import ROOT, TINY, made_place

CONFIG = "configs/parallel_text.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return made_place(tmp_path_factory, "practice")


@pytest.fixture
def settings(place, monkeypatch):
    monkeypatch.setenv(RUNS_VARIABLE, str(place / "runs"))
    monkeypatch.setenv("ATTENTION_LAB_CACHE", str(place / "cache"))
    return {**TINY, "data.dir": place / "corpus", "train.num_steps": 20}


def test_run_is_trained_once_and_then_found(settings):
    said: list[str] = []
    trained = find_or_train(CONFIG, name="mine", settings=settings, say=said.append)
    assert trained.steps[-1] == 20 and said[-1] == "mine: trained."
    found = find_or_train(CONFIG, name="mine", settings=settings, say=pytest.fail)
    assert found.workdir.path == trained.workdir.path
    searched = find_or_train(CONFIG, name="mine", settings={**settings, "decode.beam_size": 3})
    assert searched.workdir.path == trained.workdir.path


@pytest.mark.parametrize(
    ("key", "stored", "now"), [("model.d_ff", 32, 64), ("train.num_steps", 20, 10)]
)
def test_a_run_of_other_settings_is_not_taken_for_it(settings, place, key, stored, now):
    its = load_config(
        str(ROOT / CONFIG), [f"--config.{name}={value}" for name, value in settings.items()]
    )
    workdir = Workdir(place / "runs" / key)
    workdir.write_config(its.resolved())
    write_json(workdir.results, {"step": 20})
    told = rf"with {key}={stored}, and now that is {now}\. Give the run another name, or delete"
    with pytest.raises(ValueError, match=told):
        find_or_train(CONFIG, name=key, settings={**settings, key: now}, say=pytest.fail)


def test_settings_that_contradict_each_other_are_refused(settings):
    with pytest.raises(ValueError, match="must be divisible"):
        find_or_train(CONFIG, name="wrong", settings={**settings, "model.num_heads": 3})


def test_what_train_refuses_is_said(settings):
    wrong = {**settings, "data.dir": "nowhere"}
    with pytest.raises(ValueError, match=r"could not be trained\. error: .*nowhere"):
        find_or_train(CONFIG, name="wrong", settings=wrong, say=lambda line: None)


def test_settings_need_a_name():
    with pytest.raises(ValueError, match="must have a name"):
        find_or_train(CONFIG, settings={"seed": 1})
