import gzip

import pytest

from experiment.data import MARK, open_corpus, prepare_vocabulary

GOOD = {
    "train.text": "fine\n▸ poor\n\nvery fine\nunlabelled\n".encode(),
    "train.label": b"good\nbad\nbad\ngood\n\n",
    "validation.text": b"fine\n\n",
    "validation.label": b"good\nbad\n",
}
CAPTIONS = {
    "train.en": b"a man and a dog\nwell well\na cat\n\n" + 40 * b"two men walk by the sea\n",
    "train.de": b"not read\n",
    "validation.en": b"a dog sleeps\n.\n",
}


@pytest.fixture
def open_labelled(data_config, tmp_path, lines):
    def open_labelled(folder, **options):
        settings = dict(corpus="labelled_text", source_language="text", target_language="label")
        config = data_config(dir=str(folder), **settings | options)
        return open_corpus(config, tmp_path / "cache", lines.append)

    return open_labelled


@pytest.fixture
def open_captions(open_labelled):
    def open_captions(folder, **options):
        settings = dict(corpus="word_order", source_language="en", target_language="order")
        return open_labelled(folder, **settings | options)

    return open_captions


def test_sentences_are_marked_and_labels_are_symbols(write_text, open_labelled):
    corpus = open_labelled(write_text(GOOD))
    assert (corpus.direction, corpus.symbols) == ("text-label", (MARK, "bad", "good"))
    assert list(corpus.pairs("train")) == [
        ("▸ fine", "good"),
        ("▸ ▹ poor", "bad"),
        ("▸ very fine", "good"),
    ]
    assert list(corpus.pairs("validation")) == [("▸ fine", "good"), ("", "bad")]


def test_what_is_there_is_reported_and_found_again(write_text, open_labelled, lines):
    folder = write_text(GOOD)
    corpus = open_labelled(folder)
    assert lines[:4] == [
        f"checking the text in {folder}",
        "read train: 5 lines, 3 pairs kept, 2 left out",
        "2 of 5 training pairs have an empty side and are left out: "
        f"{folder}/train.text:3, {folder}/train.label:5.",
        "read validation: 2 lines, 2 pairs kept, 0 left out",
    ]
    assert lines[-2:] == [
        "labels of train: good 2 (66.7%), bad 1 (33.3%)",
        "labels of validation: good 1 (50.0%), bad 1 (50.0%)",
    ]
    del lines[:]
    assert open_labelled(folder) == corpus
    assert lines == []


def test_packed_files_are_the_same_corpus_and_other_labels_another(write_text, open_labelled):
    folder = write_text(GOOD)
    corpus = open_labelled(folder)
    (folder / "train.label.gz").write_bytes(gzip.compress(GOOD["train.label"]))
    (folder / "train.label").unlink()
    assert open_labelled(folder) == corpus
    (folder / "train.label.gz").unlink()
    write_text({"train.label": b"good\nbad\nbad\nbad\n\n"})
    assert open_labelled(folder).identity != corpus.identity


def test_no_corpus_is_taken_for_another_of_the_same_files(write_text, open_labelled):
    files = {f"{split}.text": b"one two\n" for split in ("train", "validation")}
    folder = write_text(files | {f"{split}.order": b"x\n" for split in ("train", "validation")})
    kinds = ("labelled_text", "parallel_text", "word_order")
    found = [
        open_labelled(folder, corpus=corpus, target_language="order").identity for corpus in kinds
    ]
    assert len(set(found)) == len(kinds)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "validation.label",
            b"good\nawful\n",
            "line 2: a label that is scored must occur in training; 'awful' does not. Training "
            "has bad, good. Correct it, or add such sentences to training.",
        ),
        (
            "train.label",
            b"good\nbad\nbad\nvery good\n\n",
            "line 4: a label must be one word; this has a space: 'very good'. Write it as "
            "'very_good'.",
        ),
        ("validation.label", b"good\n\n", "line 2: a label must be one word; this is empty."),
        (
            "train.label",
            "good\nbad\nbad\n\uff21\n\n".encode(),
            "line 4: a label must be one word; this has characters that the vocabulary would "
            "change (NFKC): '\uff21'.",
        ),
        (
            "train.label",
            "good\nbad\nbad\n▸\n\n".encode(),
            "line 4: a label must be one word; this has a sign that the vocabulary needs, '▁' or "
            "'▸': '▸'.",
        ),
    ],
)
def test_label_that_cannot_be_one_is_refused_with_its_place(
    write_text, open_labelled, tmp_path, name, content, message
):
    folder = write_text(GOOD | {name: content})
    with pytest.raises(ValueError) as refused:
        open_labelled(folder)
    assert str(refused.value) == f"{folder / name}, {message}"
    assert not (tmp_path / "cache").exists()


def test_malformed_files_are_refused_as_those_of_parallel_text(write_text, open_labelled):
    folder = write_text(GOOD | {"validation.label": b"good\n"})
    with pytest.raises(ValueError, match="Both languages must have as many lines"):
        open_labelled(folder)
    write_text({"validation.label": b"good\n\xff\n"})
    with pytest.raises(ValueError, match=r"validation.label, line 2, byte 1: not UTF-8"):
        open_labelled(folder)
    (folder / "validation.label").unlink()
    with pytest.raises(ValueError, match=r"validation.text must have a counterpart"):
        open_labelled(folder)


def test_labels_of_any_script_are_pieces_and_come_back(write_text, open_labelled, tmp_path):
    labels = ["schön", "中文", "1", "10", "B-PER", ".", "1984"]
    text = "".join(f"text {n}\n" for n, _ in enumerate(labels)).encode()
    each = "".join(f"{label}\n" for label in labels).encode()
    files = {f"{split}.text": text for split in ("train", "validation")}
    files |= {f"{split}.label": each for split in ("train", "validation")}
    corpus = open_labelled(write_text(files))
    vocabulary = prepare_vocabulary(corpus, 320, tmp_path, lambda line: None)
    for label in labels:
        ids = vocabulary.encode(label)
        assert len(ids) == 2
        assert vocabulary.decode(ids) == label


def test_order_is_asked_of_one_language_alone(write_text, open_captions, lines):
    corpus = open_captions(write_text(CAPTIONS))
    assert (corpus.direction, corpus.symbols) == ("en-order", (MARK, "original", "swapped"))
    pairs = list(corpus.pairs("train"))
    assert len(pairs) == 42  # without "well well" and the empty line
    assert len(corpus.pairs("validation")) == 1
    for sentence, label in pairs[2:]:
        assert (sentence == "▸ two men walk by the sea") == (label == "original")
        assert {*sentence.split()} == {"▸", "two", "men", "walk", "by", "the", "sea"}
    assert {label for _, label in pairs} == {"original", "swapped"}
    (said,) = (line for line in lines if line.startswith("labels of train: "))
    assert all(f"{label} " in said for label in ("original", "swapped"))


def test_nothing_to_ask_about_is_refused(write_text, open_captions):
    folder = write_text(CAPTIONS | {"validation.en": b"well\n"})
    with pytest.raises(ValueError, match="must have an example to label; it has none"):
        open_captions(folder)
