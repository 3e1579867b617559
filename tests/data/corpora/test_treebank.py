import gzip
import os
import pathlib

import pytest

from experiment.data import open_corpus, prepare_vocabulary, without_words
from experiment.data.corpora import treebank_folder
from tests.data.corpora.made_up_trees import TEST, TRAIN, VALIDATION

NAMED = {"train.mrg": TRAIN, "validation.mrg": VALIDATION, "test.mrg": TEST}
REAL = os.environ.get("ATTENTION_LAB_TREEBANK", "")


@pytest.fixture
def write(tmp_path):
    """Writes {name: text} below a folder and returns it."""

    def write(files):
        folder = tmp_path / "trees"
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            packed = gzip.compress(text.encode()) if name.endswith(".gz") else text.encode()
            (folder / name).write_bytes(packed)
        return folder

    return write


@pytest.fixture
def open_trees(data_config, tmp_path, lines):
    def open_trees(folder, target="tree", **options):
        config = data_config(
            corpus="treebank", dir=str(folder), source_language="words", target_language=target
        )
        return open_corpus(config, tmp_path / "cache", lines.append, **options)

    return open_trees


@pytest.fixture
def refused(open_trees, tmp_path):
    """Why a folder is refused, in one line; nothing is written then."""

    def refused(folder, **options):
        with pytest.raises(ValueError) as caught:
            open_trees(folder, **options)
        assert len(str(caught.value).splitlines()) == 1
        assert not (tmp_path / "cache").exists()
        return str(caught.value)

    return refused


def test_sentences_and_their_trees_are_the_pairs(write, open_trees):
    corpus = open_trees(write(NAMED))
    assert (corpus.direction, corpus.splits) == ("words-tree", ("train", "validation", "test"))
    assert list(corpus.pairs("train")) == [
        ("The baker sells bread .", "(S (NP XX XX )NP (VP XX (NP XX )NP )VP . )S"),
        ("She seemed to sleep .", "(S (NP XX )NP (VP XX (S (VP XX (VP XX )VP )VP )S )VP . )S"),
        (
            "Rivers -LRB- in spring -RRB- rise up .",
            "(S (NP (NP XX )NP (PRN XX (PP XX (NP XX )NP )PP XX )PRN )NP (VP XX (ADVP XX )ADVP )VP "
            ". )S",
        ),
        ("Well , soup .", "(TOP (FRAG (INTJ XX )INTJ , (NP XX )NP )FRAG . )TOP"),
    ]
    assert list(corpus.pairs("test")) == [
        ("Sells the baker soup ?", "(SQ XX (NP XX XX )NP (NP XX )NP . )SQ")
    ]


def test_tags_are_another_side_of_the_same_corpus(write, open_trees, lines):
    folder = write(NAMED)
    trees = open_trees(folder)
    lines.clear()
    tags = open_trees(folder, target="tags")
    assert lines == []
    assert tags.identity == trees.identity
    assert tags.pairs("train")[2] == (
        "Rivers -LRB- in spring -RRB- rise up .",
        "NNS -LRB- IN NN -RRB- VBP RB .",
    )
    assert tags.symbols == (
        *(",", "-LRB-", "-RRB-", ".", "DT", "IN", "NN", "NNS", "PRP", "RB", "TO", "UH", "VB"),
        *("VBD", "VBP", "VBZ"),
    )


def test_a_tagged_tree_has_the_tags_in_its_brackets(write, open_trees):
    corpus = open_trees(write(NAMED), target="tagged_tree")
    assert list(corpus.pairs("test")) == [
        ("Sells the baker soup ?", "(SQ VBZ (NP DT NN )NP (NP NN )NP . )SQ")
    ]
    assert {"(NP", ")NP", "DT", "-LRB-"} < set(corpus.symbols)
    assert not {"XX", "(SQ"} & set(corpus.symbols)


def test_a_worded_tree_has_the_words_in_its_brackets(write, open_trees):
    folder = write(NAMED)
    corpus, plain = open_trees(folder, target="worded_tree"), open_trees(folder)
    assert corpus.pairs("test")[0][1] == "(SQ Sells (NP the baker )NP (NP soup )NP . )SQ"
    assert corpus.symbols == plain.symbols
    for split in corpus.splits:
        for (_, said), (_, tree) in zip(corpus.pairs(split), plain.pairs(split), strict=True):
            assert " ".join(without_words(said.split())) == tree


def test_a_word_that_looks_like_punctuation_is_not_said(write, open_trees):
    possessive = "( (S (NP (NNS dogs) (POS '')) (VP (VBP run)) (. .)) )"
    corpus = open_trees(write(NAMED | {"test.mrg": possessive}), target="worded_tree")
    assert corpus.pairs("test")[0][1] == "(S (NP dogs XX )NP (VP run )VP . )S"


def test_a_worded_tree_comes_back_from_its_pieces(write, open_trees, tmp_path):
    bracket = "( (S (NP (NN a（b)) (VP (VBP run)) (. .)) )"
    corpus = open_trees(write(NAMED | {"test.mrg": bracket}), target="worded_tree")
    assert corpus.pairs("test")[0][1] == "(S (NP XX )NP (VP run )VP . )S"
    vocabulary = prepare_vocabulary(corpus, 360, tmp_path / "cache", lambda line: None)
    for split in corpus.splits:
        for _, said in corpus.pairs(split):
            pieces = vocabulary.pieces(vocabulary.encode(said))
            brackets = [token for token in said.split() if "(" in token or ")" in token]
            assert [piece for piece in pieces if "(" in piece or ")" in piece] == [
                f"▁{bracket}" for bracket in brackets
            ]
            assert vocabulary.decode(vocabulary.encode(said)) == said


def test_symbols_are_the_tokens_of_training_trees_and_no_others(write, open_trees):
    symbols = open_trees(write(NAMED)).symbols
    labels = ["ADVP", "FRAG", "INTJ", "NP", "PP", "PRN", "S", "TOP", "VP"]
    assert symbols == tuple(
        sorted(
            [",", ".", "XX", *(f"({label}" for label in labels), *(f"){each}" for each in labels)]
        )
    )


def test_what_is_there_is_reported_with_its_places(write, open_trees, lines):
    folder = write(
        NAMED
        | {
            "validation.mrg": VALIDATION + "( (S (NP-SBJ (DT The) (NN baker)) "
            "(VP (VBZ sells) (NP (NN bread))) (. .)) )"
        }
    )
    open_trees(folder)
    assert lines == [
        f"checking the trees in {folder}",
        "read train (train.mrg): 4 sentences of 22 words, 9 labels, 16 tags",
        f"1 trees of train hold no word and are left out: {folder}/train.mrg, line 11, column 1.",
        "read validation (validation.mrg): 2 sentences of 9 words, 3 labels, 5 tags",
        "1 of 2 sentences of validation are training sentences too: "
        f"{folder}/validation.mrg, line 2, column 1.",
        "read test (test.mrg): 1 sentences of 5 words, 2 labels, 4 tags",
        "test has what training has not: (SQ, )SQ.",
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"train/b.mrg": TRAIN, "validation/x/a.mrg": VALIDATION, "test/c.mrg": TEST},
        {"train.mrg.gz": TRAIN, "validation.mrg": VALIDATION, "test.mrg": TEST},
        {"wsj_0159.mrg": TRAIN, "00/wsj_0160.mrg": VALIDATION, "00/wsj_0199.mrg": TEST},
        {"02/wsj_0200.mrg": TRAIN, "22/wsj_2200.mrg": VALIDATION, "23/wsj_2399.mrg": TEST},
    ],
)
def test_the_same_trees_in_another_layout_are_the_same_corpus(write, open_trees, files, tmp_path):
    folder = write(files)
    assert (corpus := open_trees(folder)).splits == ("train", "validation", "test")
    again = tmp_path / "named"
    again.mkdir()
    for name, text in NAMED.items():
        (again / name).write_text(text)
    assert open_trees(again) == corpus


def test_sentences_of_several_files_come_in_the_order_of_their_names(write, open_trees):
    files = {f"wsj_{n:04}.mrg": f"(S (A {n}))" for n in (2, 10, 1, 159, 160, 180, 200 - 1, 0)}
    corpus = open_trees(write(files))
    assert [source for source, _ in corpus.pairs("train")] == ["1", "2", "10", "159"]
    assert [source for source, _ in corpus.pairs("test")] == ["180", "199"]


def test_whole_treebank_is_split_by_section(write):
    numbers = (1, 199, 200, 2199, 2200, 2299, 2300, 2399, 2400)
    files = treebank_folder.find_files(str(write({f"wsj_{n:04}.mrg": "x" for n in numbers})))
    assert {split: [path.stem for path in paths] for split, paths in files.items()} == {
        "train": ["wsj_0200", "wsj_2199"],
        "validation": ["wsj_2200", "wsj_2299"],
        "test": ["wsj_2300", "wsj_2399"],
    }


def test_another_split_is_another_corpus(write, open_trees):
    folder = write(NAMED)
    before = open_trees(folder)
    (folder / "test.mrg").rename(folder / "kept")
    (folder / "validation.mrg").rename(folder / "test.mrg")
    (folder / "kept").rename(folder / "validation.mrg")
    assert open_trees(folder).identity != before.identity


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(S (A b)", "line 1, column 1: the tree that begins here is never closed: 1 closing"),
        (
            "(S (A b))\n (Ś (A b))",
            "line 2, column 2: the tree that begins here has the label 'Ś'. A label must be of "
            "printable ASCII characters.",
        ),
        (
            "(S (A\u00a0 b))",
            "line 1, column 1: the tree that begins here has the label 'A\\xa0'. A label must be "
            "of printable ASCII characters.",
        ),
        (
            "(S (A b\u00a0c))",
            "line 1, column 1: the tree that begins here has the word 'b\\xa0c'. A word must not "
            "hold a space of any kind: it would become two.",
        ),
        ("", " must have at least one tree; it has none."),
        ("(S (-NONE- *))", " and the rest of test must have a word; they have none."),
    ],
)
def test_malformed_treebank_is_refused_with_its_place(write, refused, text, message):
    folder = write(NAMED | {"test.mrg": text})
    found = refused(folder)
    between = ", " if message.startswith("line") else ""
    assert found.startswith(f"{folder}/test.mrg{between}{message}")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"readme": ""},
            "{folder} must have trees: train.mrg, validation.mrg and test.mrg, or folders train, "
            "validation and test with *.mrg in them, or wsj_0001.mrg, ... to be told by number; "
            "found: readme.",
        ),
        (
            {"train.mrg": TRAIN, "train/a.mrg": TRAIN},
            "{folder}/train.mrg and {folder}/train must not both be there: which of them is meant? "
            "Move one elsewhere.",
        ),
        (
            {"a/wsj_0001.mrg": TRAIN, "b/wsj_0001.mrg": TRAIN},
            "{folder}/a/wsj_0001.mrg and {folder}/b/wsj_0001.mrg must not both be there: which of "
            "them is meant? Move one elsewhere.",
        ),
        ({"train/readme": ""}, "{folder}/train must have files *.mrg in it; it has none."),
    ],
)
def test_folder_that_is_no_treebank_is_refused(write, refused, files, message):
    folder = write(files)
    assert refused(folder) == message.format(folder=folder)


def test_folder_that_is_not_there_is_refused(refused, tmp_path):
    assert refused(tmp_path / "nowhere") == (
        f"data.dir={tmp_path}/nowhere must be a folder of trees, such as train.mrg, validation.mrg "
        "and test.mrg; it does not exist."
    )


def test_missing_split_is_refused_before_anything_is_written(write, refused):
    folder = write({"train.mrg": TRAIN, "validation.mrg": VALIDATION})
    assert refused(folder, needed=("train", "validation", "test")) == (
        f"{folder} has no split 'test'; it has train, validation. Add it, or name another with "
        "--config.evaluation.test_split."
    )


def test_prepared_corpus_without_its_symbols_is_refused(write, open_trees):
    folder = write(NAMED)
    prepared = open_trees(folder).folder
    (prepared / "metadata.json").unlink()
    with pytest.raises(ValueError) as refused:
        open_trees(folder)
    assert str(refused.value) == (
        f"{prepared}/metadata.json cannot be read. Delete {prepared} and it is prepared again."
    )


def test_every_token_of_a_tree_is_one_piece_that_comes_back(write, open_trees, tmp_path):
    for target in ("tree", "tagged_tree", "tags"):
        corpus = open_trees(write(NAMED), target=target)
        vocabulary = prepare_vocabulary(corpus, 360, tmp_path / "cache", lambda line: None)
        for _, tokens in corpus.pairs("train"):
            ids = vocabulary.encode(tokens)
            assert vocabulary.pieces(ids) == [*(f"▁{token}" for token in tokens.split()), "</s>"]
            assert vocabulary.decode(ids) == tokens


@pytest.mark.skipif(
    not REAL, reason="ATTENTION_LAB_TREEBANK names no folder with wsj_0001.mrg, ..."
)
def test_sample_of_the_penn_treebank_is_read_whole(open_trees, tmp_path):
    corpus = open_trees(pathlib.Path(REAL))
    assert [len(corpus.pairs(split)) for split in corpus.splits] == [3396, 273, 245]
    vocabulary = prepare_vocabulary(corpus, 2_000, tmp_path / "cache", lambda line: None)
    for _, tokens in corpus.pairs("train"):
        ids = vocabulary.encode(tokens)
        assert len(ids) == len(tokens.split()) + 1
        assert vocabulary.decode(ids) == tokens
