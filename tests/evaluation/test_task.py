import io

import pytest

from experiment.data import lines_of
from experiment.evaluation import (
    Translation,
    Translator,
    task_of,
    translate_stream,
    translation_scores,
)
from tests.made_up import config


def of(target):
    return task_of(
        config(
            data={
                "corpus": "treebank",
                "dir": "trees",
                "source_language": "words",
                "target_language": target,
            }
        )
    )


def test_corpus_decides_what_is_scored():
    sentences, trees, tags = ["the cat ."], ["(NP XX XX . )NP"], ["DT NN ."]
    parsing = of("tree").scores(sentences, trees, trees)
    assert (parsing["labelled_f1"], parsing["repaired"]) == (100, 0)
    assert of("tags").scores(sentences, tags, tags)["tag_accuracy"] == 100
    tagged = ["(NP DT NN . )NP"]
    assert of("tagged_tree").scores(sentences, tagged, tagged)["tag_accuracy"] == 100
    texts = ["die Katze"]
    assert task_of(config()).scores(sentences, texts, texts) == translation_scores(
        texts, texts, tokenizer="moses", language="de"
    )
    assert [of("tree").name, of("tags").name, task_of(config()).name] == [
        "parsing",
        "tagging",
        "translation",
    ]


@pytest.mark.parametrize(
    ("source", "output", "shown"),
    [
        ("the cat .", "(NP XX XX . )NP", "(NP (XX the) (XX cat) (. .))"),
        ("the cat", "(NP XX", "(NP (XX the) (XX cat))"),
        ("", "", ""),
    ],
)
def test_tree_is_shown_in_brackets_over_its_words(source, output, shown):
    assert of("tree").shown(source, output) == shown


def test_of_a_worded_tree_other_words_do_not_count():
    task, sentences = of("worded_tree"), ["the cat ."]
    gold, output = ["(NP the cat . )NP"], ["(NP a dog . )NP"]
    scores = task.scores(sentences, output, gold)
    assert (scores["labelled_f1"], scores["repaired"]) == (100, 0)
    assert scores["labelled_f1_signature"].endswith("|words:aligned")
    shorter = task.scores(sentences, ["(NP cat . )NP"], gold)
    assert (shorter["labelled_f1"], shorter["repaired"]) == (100, 1)
    assert task.shown(sentences[0], output[0]) == "(NP (XX the) (XX cat) (. .))"
    with pytest.raises(ValueError, match="must be a tree over the 3 words of its sentence"):
        task.scores(sentences, output, ["(NP the cat )NP"])


def test_a_tagged_tree_is_shown_with_its_tags():
    shown = of("tagged_tree").shown("the cat .", "(NP DT NN . )NP")
    assert shown == "(NP (DT the) (NN cat) (. .))"


def test_brackets_of_a_line_are_read_as_treebanks_write_them():
    assert of("tree").read(" the  (big) {cat}\t. ") == "the -LRB-big-RRB- -LCB-cat-RCB- ."
    assert of("tags").read("a ( b )") == "a -LRB- b -RRB-"
    line = " as  (it) is "
    assert task_of(config()).read(line) == line
    assert task_of(config()).shown(line, "x") == "x"


def test_language_model_is_asked_for_nothing_to_be_scored():
    task = task_of(config(model={"system": "decoder_only"}, data={"source_language": "nothing"}))
    assert (task.name, task.continues) == ("language_modelling", True)
    assert task.scores([""], [], ["a"]) == {}
    assert task.compare([""], [], [], ["a"]) == {}
    task.check_references([("", "(any text")])
    assert task.shown(task.read("Two  men"), "Two men sit.") == "Two men sit."


def test_stream_is_read_and_shown_as_the_task_has_it():
    asked = []

    class Parrot(Translator):
        def __init__(self):
            pass

        def num_tokens(self, line):
            return len(line)

        def translate(self, params, lines, *, first):
            asked.extend(lines)
            return [[Translation("(S XX", -1.0), Translation("XX", -2.0)] for _ in lines]

    lines, found = lines_of(io.BytesIO(b"a (b)\n\xff\n"), "input"), []
    with pytest.raises(ValueError, match=r"^1 of 2 lines of input could not be translated"):
        for chunk in translate_stream(
            Parrot(), {}, lines, "input", lambda line: None, task=of("tree")
        ):
            found += chunk
    assert asked == ["a -LRB-b-RRB-", ""]
    assert found == [
        [
            Translation("(S (XX a) (XX -LRB-b-RRB-))", -1.0),
            Translation("(TOP (XX a) (XX -LRB-b-RRB-))", -2.0),
        ],
        [],
    ]


COMPARED = {
    "tree": ("labelled_f1", ["(S (NP XX XX )NP XX )S", "(NP XX . )NP"], "(S XX XX XX )S"),
    "worded_tree": (
        "labelled_f1",
        ["(S (NP the cat )NP sat )S", "(NP it . )NP"],
        "(S a cat sat )S",
    ),
    "tagged_tree": ("labelled_f1", ["(S (NP DT NN )NP VBD )S", "(NP PRP . )NP"], "(S DT NN NN )S"),
    "tags": ("tag_accuracy", ["DT NN VBD", "PRP ."], "DT NN NN"),
}


@pytest.mark.parametrize("target", COMPARED)
def test_what_is_compared_are_the_scores(target):
    task, sentences = of(target), ["the cat sat", "it ."]
    name, gold, worse = COMPARED[target]
    task.check_references(list(zip(sentences, gold, strict=True)))
    outputs, others = gold, [worse, gold[1]]
    found = task.compare(sentences, outputs, others, gold)
    ours, theirs = (float(task.scores(sentences, each, gold)[name]) for each in (outputs, others))
    assert ours == 100 > theirs
    assert found[name]["baseline"] == pytest.approx(theirs)
    assert found[name]["difference"] == pytest.approx(ours - theirs)
    broken = [") (NP a", ""]
    lost = float(task.scores(sentences, broken, gold)[name])
    assert task.compare(sentences, outputs, broken, gold)[name]["baseline"] == pytest.approx(lost)


def test_marks_are_no_words_of_what_is_compared():
    sides = {"source_language": "marked_words", "target_language": "tags"}
    task = task_of(config(data={"corpus": "treebank", "dir": "trees", **sides}))
    sentences, gold = ["▸ the ▸ cat", "▸ it"], ["DT NN", "PRP"]
    others = ["DT VB", "PRP"]
    found = task.compare(sentences, gold, others, gold)["tag_accuracy"]
    assert found["baseline"] == pytest.approx(200 / 3)
    assert task.scores(sentences, others, gold)["tag_accuracy"] == pytest.approx(200 / 3)


def test_labels_are_compared_by_their_accuracy():
    task = task_of(
        config(data={"corpus": "word_order", "dir": "folder", "target_language": "order"})
    )
    sentences, gold = ["▸ a b", "▸ b c", "▸ c d", "▸ d e"], ["original", "swapped"] * 2
    found = task.compare(sentences, gold, ["original"] * 4, gold)
    assert (found["accuracy"]["baseline"], found["accuracy"]["difference"]) == (50, 50)


def test_only_trees_and_tags_can_be_bad_references():
    task_of(config()).check_references([("a", "")])
    of("tags").check_references([("a", "A")])
    with pytest.raises(ValueError, match="Reference 2 must be a tree over the 1 words"):
        of("tree").check_references([("a", "(S XX )S"), ("b", "c")])
