import json

import numpy as np
import pytest

from experiment.data import BpeDropout, TokenIds, prepare_token_ids, train_vocabulary


@pytest.fixture(scope="module")
def vocabulary(numbers):
    pairs = numbers.pairs("validation")
    return train_vocabulary((text for pair in pairs for text in pair), 400)


@pytest.fixture
def prepared(numbers, vocabulary, tmp_path, lines):
    return prepare_token_ids(numbers, "test", vocabulary, tmp_path, lines.append)


def folder_of(cache):
    (folder,) = (cache / "tokens").iterdir()
    return folder


def test_ids_are_those_of_the_sentences(numbers, vocabulary, prepared):
    pairs = numbers.pairs("test")
    assert len(prepared) == len(pairs) == 1_000
    for index in (0, 1, 999):
        for ids, text in zip(prepared.pair(index), pairs[index], strict=True):
            assert ids.dtype == np.int32
            assert ids.tolist() == vocabulary.encode(text)
    assert prepared.lengths.dtype == np.int32
    assert prepared.lengths[999].tolist() == [len(ids) for ids in prepared.pair(999)]


def test_chunks_join_without_a_seam(numbers, vocabulary, prepared, tmp_path, monkeypatch):
    monkeypatch.setattr("experiment.data.token_ids._PAIRS_AT_A_TIME", 7)
    cache = tmp_path / "other"
    again = prepare_token_ids(numbers, "test", vocabulary, cache, lambda line: None)
    np.testing.assert_array_equal(again.source.tokens, prepared.source.tokens)
    np.testing.assert_array_equal(again.target.offsets, prepared.target.offsets)


def test_with_dropout_every_pair_is_cut_in_several_ways(numbers, vocabulary, prepared, tmp_path):
    dropout = BpeDropout(rate=0.2, samples=3)
    pairs = numbers.pairs("test")
    sampled = prepare_token_ids(numbers, "test", vocabulary, tmp_path, print, dropout=dropout)
    assert len(sampled) == 3 * len(pairs)
    for index in (0, 7, 999):
        cuts = [sampled.pair(index + sample * len(pairs)) for sample in range(3)]
        for source, target in cuts:
            assert vocabulary.decode(source.tolist()) == pairs[index][0]
            assert vocabulary.decode(target.tolist()) == pairs[index][1]
    assert sampled.lengths.sum() > 3 * prepared.lengths.sum()
    cuts_of_each = np.split(sampled.lengths, 3)
    assert (cuts_of_each[0] != cuts_of_each[1]).any()

    again = prepare_token_ids(numbers, "test", vocabulary, tmp_path / "2", print, dropout=dropout)
    np.testing.assert_array_equal(again.source.tokens, sampled.source.tokens)
    np.testing.assert_array_equal(again.target.tokens, sampled.target.tokens)


def test_a_small_vocabulary_takes_two_bytes_a_token(prepared):
    assert isinstance(prepared.source.tokens, np.memmap)
    assert prepared.source.tokens.dtype == np.uint16


def test_prepared_ids_are_used_again(numbers, vocabulary, prepared, tmp_path, monkeypatch, lines):
    monkeypatch.setattr(type(numbers), "pairs", lambda *_: pytest.fail("read the corpus again"))
    again = prepare_token_ids(numbers, "test", vocabulary, tmp_path, lines.append)
    np.testing.assert_array_equal(again.lengths, prepared.lengths)
    assert lines == []


@pytest.mark.parametrize("name", ["source.tokens", "target.offsets", "meta.json"])
@pytest.mark.parametrize("how", ["cut", "removed"])
def test_damaged_files_are_noticed_and_made_again(
    numbers, vocabulary, prepared, tmp_path, lines, name, how
):
    path = folder_of(tmp_path) / name
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-3])
    else:
        path.unlink()
    again = prepare_token_ids(numbers, "test", vocabulary, tmp_path, lines.append)
    np.testing.assert_array_equal(again.lengths, prepared.lengths)
    assert again.pair(999)[1].tolist() == vocabulary.encode(numbers.pairs("test")[999][1])
    assert len(lines) == 1
    assert "is damaged" in lines[0]
    assert name in lines[0]


def test_an_interrupted_preparation_leaves_nothing(numbers, vocabulary, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("experiment.data.progress.Progress.advance", interrupt)
    with pytest.raises(KeyboardInterrupt):
        prepare_token_ids(numbers, "test", vocabulary, tmp_path, lambda line: None)
    assert list((tmp_path / "tokens").iterdir()) == []


def test_each_split_and_vocabulary_has_its_own(numbers, vocabulary, prepared, tmp_path):
    other = train_vocabulary(["one two three"], 300)
    prepare_token_ids(numbers, "validation", vocabulary, tmp_path, lambda line: None)
    prepare_token_ids(numbers, "test", other, tmp_path, lambda line: None)
    assert len(list((tmp_path / "tokens").iterdir())) == 3


def test_the_sizes_on_disk_are_recorded(prepared, tmp_path):
    folder = folder_of(tmp_path)
    sizes = json.loads((folder / "meta.json").read_text())["sizes"]
    assert sizes == {
        path.name: path.stat().st_size for path in folder.iterdir() if path.name != "meta.json"
    }


def test_an_unknown_split_is_refused(numbers, vocabulary, tmp_path):
    with pytest.raises(ValueError, match=r"no split 'dev'\. It has: train, validation, "):
        prepare_token_ids(numbers, "dev", vocabulary, tmp_path, lambda line: None)


def test_lists_in_memory_are_pairs():
    pairs = TokenIds.from_lists([[5, 2], [2]], [[6, 7, 2], [8, 2]])
    assert pairs.lengths.tolist() == [[2, 3], [1, 2]]
    assert [ids.tolist() for ids in pairs.pair(1)] == [[2], [8, 2]]
