import pytest

from experiment.evaluation import classification_scores, task_of
from tests.made_up import config

LABELLED = {"corpus": "labelled_text", "dir": "text", "target_language": "label"}
TAGGED = {"corpus": "treebank", "dir": "trees", "source_language": "marked_words"}


def test_scores_counted_by_hand():
    gold = ["a", "a", "a", "b", "b", "c"]
    said = ["a", "a", "b", "b", "", "a b"]
    scores = classification_scores(["x"] * 6, said, gold)
    assert scores["accuracy"] == pytest.approx(50)  # 3 of 6
    assert scores["majority_accuracy"] == pytest.approx(50)  # a
    # a: precision 1, recall 2/3; b: 1/2 and 1/2; c: never said.
    assert scores["macro_f1"] == pytest.approx(100 * (0.8 + 0.5 + 0) / 3)


def test_perfect_labels_have_all_of_everything():
    scores = classification_scores(["x", "y", "z"], ["a", "b", "c"], ["a", "b", "c"])
    assert scores == pytest.approx({"accuracy": 100, "macro_f1": 100, "majority_accuracy": 100 / 3})


@pytest.mark.parametrize("reference", ["", "very good"])
def test_reference_that_is_no_label_is_refused(reference):
    task = task_of(config(data=LABELLED))
    with pytest.raises(ValueError, match="Reference 2 must be one label; it is"):
        task.check_references([("▸ x", "good"), ("▸ y", reference)])


def test_lines_of_a_person_are_marked_as_those_trained_on():
    task = task_of(config(data=LABELLED))
    assert (task.name, task.shown("▸ x", "good")) == ("classification", "good")
    assert [task.read(line) for line in ("fine (▸)", "", " ")] == ["▸ fine (▹)", "", ""]


def test_tags_are_scored_by_the_words_without_their_marks():
    task = task_of(config(data=TAGGED | {"target_language": "tags"}))
    assert task.name == "tagging"
    source = task.read("The (old) cat")
    assert source == "▸ The ▸ -LRB-old-RRB- ▸ cat"
    assert task.scores([source], ["DT JJ VB"], ["DT JJ NN"]) == {
        "tag_accuracy": pytest.approx(200 / 3),
        "complete_match": 0,
        "misaligned": 0,
    }
    task.check_references([(source, "DT JJ NN")])
    with pytest.raises(ValueError, match="Reference 1 must have one tag a word: 2 tags, 3 words"):
        task.check_references([(source, "DT JJ")])
