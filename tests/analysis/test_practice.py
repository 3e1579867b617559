import pytest

from experiment.analysis.practice import RUNS_VARIABLE, find_or_train
from tests.tiny_run import TINY, made_place

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


def test_what_train_refuses_is_said(settings):
    wrong = {**settings, "model.num_heads": 3}
    with pytest.raises(ValueError, match=r"could not be trained\. error: .*must be divisible"):
        find_or_train(CONFIG, name="wrong", settings=wrong, say=lambda line: None)


def test_settings_need_a_name():
    with pytest.raises(ValueError, match="must have a name"):
        find_or_train(CONFIG, settings={"seed": 1})
