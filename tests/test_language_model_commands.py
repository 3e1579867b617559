"""The commands with a language model: trained, scored, prompted, stopped and gone on with."""

import json

import pytest

from experiment.training import read_metrics
from tests.tiny_run import command, training, write_corpus

pytestmark = pytest.mark.slow

SETTINGS = {
    "model__system": "decoder_only",
    "data__source_language": "nothing",
    "data__target_language": "de",
    "train__num_steps": 100,
    "train__evaluate_every": 50,
    "train__learning_rate_scale": 0.5,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("language_model")
    write_corpus(folder / "corpus")
    for path in (folder / "corpus").glob("*.en"):
        path.unlink()  # nothing is read of another language
    return folder


@pytest.fixture(scope="module")
def results(place):
    return train(place, "run")


def train(place, name, **changes):
    given = training(place / "corpus", place / name, place / "cache", **{**SETTINGS, **changes})
    return json.loads(command("train.py", *given).stdout)


def where(place):
    return [f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}"]


def test_results_are_of_how_well_texts_are_expected(place, results):
    figures = {"nll", "perplexity", "bits_per_character", "word_perplexity"}
    assert results.keys() >= figures
    assert not any("bleu" in name for name in results)
    assert not (place / "run" / "translations.txt").exists()
    lines = read_metrics(place / "run" / "metrics.jsonl")
    scored = [line for line in lines if line["kind"] == "validation"]
    assert [line["step"] for line in scored] == [50, 100]
    losses = [line["nll"] for line in lines if line["kind"] == "train"]
    assert losses[-1] < 0.6 * losses[0]
    again = json.loads(command("evaluate.py", *where(place)).stdout)
    assert {name: again[name] for name in figures} == {name: results[name] for name in figures}
    assert "beam_size" not in again
    reference = place / "corpus" / "test.de"
    of_file = json.loads(command("evaluate.py", *where(place), f"--reference={reference}").stdout)
    assert of_file["bits_per_character"] == results["bits_per_character"]
    refused = command("evaluate.py", *where(place), f"--output={place / 'out'}", code=2)
    assert refused.stderr == (
        f"error: --output is of what a model says of a source, and {place / 'run'} is a language "
        "model, scored by how well it expects a text. Give --split or --reference.\n"
    )


def test_prompts_are_continued_and_an_empty_line_is_one(place, results):
    sampled = ["--temperature=0.5", "--top_k=5", "--n_best=2"]
    found = command("translate.py", *where(place), *sampled, stdin="Hund\n\n").stdout.split("\n")
    assert len(found) == 5
    assert all(line.startswith("Hund") for line in found[:2])
    assert all(found[2:4])
    searched = command("translate.py", *where(place), stdin="Hund\n").stdout
    assert searched.startswith("Hund")


def test_stopped_run_ends_as_one_that_was_not(place, results):
    train(place, "in_parts", train__num_steps=45)
    assert train(place, "in_parts")["checkpoint"] == results["checkpoint"]
