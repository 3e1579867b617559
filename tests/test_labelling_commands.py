"""The commands on labels that a word gives away: trained, scored and asked for."""

import json
import random
import sys

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

import evaluate
import translate
from experiment.training import read_metrics
from tests.tiny_run import WORDS, command, training

pytestmark = pytest.mark.slow

SETTINGS = {
    **{"data__corpus": "labelled_text", "data__source_language": "text"},
    **{"data__target_language": "label", "model__system": "encoder_only"},
    **{"train__num_steps": 120, "train__evaluate_every": 120, "train__warmup_steps": 40},
    **{"decode__beam_size": 1, "decode__sentences_per_batch": 32, "data__bucket_lengths": "(16,)"},
    **{"evaluation__validation_sentences": 0, "evaluation__average_checkpoints": 1},
}


def label(sentence):
    return "good" if "ka" in sentence.split() else "bad"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with sentences, and labels that say whether they have a certain word."""
    folder, words = tmp_path_factory.mktemp("labelling"), random.Random(0)
    (folder / "corpus").mkdir()
    for split, count in (("train", 200), ("validation", 20), ("test", 24)):
        texts = [" ".join(words.choices(list(WORDS), k=words.randint(2, 4))) for _ in range(count)]
        for side, lines in (("text", texts), ("label", [label(text) for text in texts])):
            (folder / "corpus" / f"{split}.{side}").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def in_this_process():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_separable_labels_are_learned_scored_and_given(place, in_this_process, capsys, monkeypatch):
    arguments = training(place / "corpus", place / "run", place / "cache", **SETTINGS)
    trained = command("train.py", *arguments)
    results = json.loads(trained.stdout)
    assert (results["accuracy"], results["macro_f1"]) == (100, 100)
    assert 50 < results["majority_accuracy"] < 90
    assert not any("bleu" in name for name in results)
    (scored,) = (
        line for line in read_metrics(place / "run" / "metrics.jsonl") if "accuracy" in line
    )
    (line,) = (line for line in trained.stderr.splitlines() if "  validation: " in line)
    assert f"validation: accuracy {scored['accuracy']:.2f}  macro_f1 " in line

    where = [f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}"]
    files = [f"--{name}={place / 'corpus' / 'test'}" for name in ("source", "reference")]
    evaluate.main([*where, f"{files[0]}.text", f"{files[1]}.label"])
    again = json.loads(capsys.readouterr().out)
    assert again["accuracy"] == 100
    assert again["nll"] == pytest.approx(results["nll"], rel=1e-5)

    lines = ["lu ka no", "", "lu no", "ka \u25b8 mi"]
    (place / "lines").write_text("\n".join(lines), encoding="utf-8")
    with (place / "lines").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        translate.main(where)
    assert capsys.readouterr().out == "good\n\nbad\ngood\n"
