"""The commands on a made-up treebank: trees and tags from words, end to end."""

import json

import pytest

from experiment.data.corpora.trees import parsed
from experiment.training import read_metrics
from tests.data.corpora.made_up_trees import TEST, TRAIN, VALIDATION
from tests.tiny_run import ROOT, command, training

pytestmark = pytest.mark.slow

SENTENCES = {"train": 3 * TRAIN, "validation": 3 * VALIDATION, "test": 2 * TEST}
SHORT = {
    **{"data__corpus": "treebank", "data__source_language": "words", "data__vocab_size": 340},
    **{"data__packed_length": 48, "data__bucket_lengths": "(16,48)", "train__num_steps": 12},
    **{"train__save_every": 4, "train__evaluate_every": 12, "train__log_every": 4},
    "decode__max_extra_tokens": 20,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parsing")
    (folder / "trees").mkdir()
    for split, text in SENTENCES.items():
        (folder / "trees" / f"{split}.mrg").write_text(text)
    return folder


@pytest.fixture(scope="module")
def trained(place):
    """What the command said that trained a parser."""
    return train(place, "tree")


def train(place, target):
    given = SHORT | {"data__target_language": target}
    return command("train.py", *training(place / "trees", place / target, place / "cache", **given))


def test_results_of_a_parser_are_of_its_trees(place, trained):
    results = json.loads(trained.stdout)
    figures = {"labelled_f1", "labelled_precision", "labelled_recall", "complete_match"}
    assert results.keys() >= figures | {"repaired", "labelled_f1_signature", "perplexity"}
    assert not any("bleu" in name for name in results)
    assert 0 <= results["labelled_f1"] <= 100
    (scored,) = (
        line
        for line in read_metrics(place / "tree" / "metrics.jsonl")
        if line["kind"] == "validation"
    )
    assert scored.keys() >= figures | {"repaired"}
    (said,) = (line for line in trained.stderr.splitlines() if "validation: " in line)
    assert f"labelled_f1 {scored['labelled_f1']:.2f}" in said
    assert f"repaired {scored['repaired']}  " in said


def test_lines_become_trees_over_their_words(place, trained):
    where = [f"--workdir={place / 'tree'}", f"--cache_dir={place / 'cache'}"]
    lines = "The baker (mine) sleeps .\n\nbread\n"
    first, empty, last = command("translate.py", *where, stdin=lines).stdout.split("\n")[:-1]
    trees = list(parsed([first, last], "output"))
    assert [tree.words() for tree in trees] == [
        ["The", "baker", "-LRB-mine-RRB-", "sleeps", "."],
        ["bread"],
    ]
    assert empty == ""


def test_parser_is_scored_on_its_corpus_and_refuses_what_is_no_tree(place, trained, tmp_path):
    where = [f"--workdir={place / 'tree'}", f"--cache_dir={place / 'cache'}"]
    again = json.loads(command("evaluate.py", *where).stdout)
    results = json.loads(trained.stdout)
    assert {name: again[name] for name in ("labelled_f1", "repaired", "nll")} == {
        name: results[name] for name in ("labelled_f1", "repaired", "nll")
    }
    (tmp_path / "words").write_text("the cat\n")
    (tmp_path / "trees").write_text("(NP XX )NP\n")
    files = [f"--source={tmp_path / 'words'}", f"--reference={tmp_path / 'trees'}"]
    refused = command("evaluate.py", *where, *files, code=2)
    assert refused.stderr == (
        "error: Reference 1 must be a tree over the 2 words of its sentence, such as "
        "'(S (NP XX XX )NP (VP XX )VP . )S'; it is '(NP XX )NP'.\n"
    )


def test_trees_are_compared_with_those_of_another(place, trained, tmp_path):
    where = [f"--workdir={place / 'tree'}", f"--cache_dir={place / 'cache'}"]
    (tmp_path / "words").write_text("the cat sat\n")
    (tmp_path / "trees").write_text("(S (NP XX XX )NP (VP XX )VP )S\n")
    of_what = [f"--source={tmp_path / 'words'}", f"--reference={tmp_path / 'trees'}"]
    said = json.loads(
        command("evaluate.py", *where, *of_what, f"--baseline={tmp_path / 'trees'}").stdout
    )
    found = said["against"]["labelled_f1"]
    assert found["baseline"] == 100
    assert found["difference"] == pytest.approx(said["labelled_f1"] - 100)


def test_results_of_a_tagger_are_of_its_tags(place):
    results = json.loads(train(place, "tags").stdout)
    assert results.keys() >= {"tag_accuracy", "complete_match", "misaligned", "perplexity"}
    assert not {"labelled_f1", "sacrebleu"} & results.keys()


def test_sweep_of_parsers_is_refused(place):
    path = ROOT / "configs" / "variants.py"
    settings = {"corpus": "treebank", "dir": place / "trees", "target_language": "tree"}
    settings |= {"source_language": "words"}
    flags = [f"--config.data.{name}={value}" for name, value in settings.items()]
    refused = command("sweep.py", f"--config={path}", *flags, "--dry_run", code=2)
    assert refused.stderr == (
        f"error: --config={path} does parsing, and a sweep compares translations by BLEU. Train "
        "its rows with train.py, one by one.\n"
    )
