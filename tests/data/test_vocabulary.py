import pytest

from experiment.data import vocabulary
from experiment.data.vocabulary import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    UNK_ID,
    Vocabulary,
    train_vocabulary,
)

SENTENCES = [
    "zwölf große Straßen",
    "the twelve great streets",
    "fünf Ölfässer stehen am Straßenrand",
    "five barrels of oil stand at the roadside",
] * 5


@pytest.fixture(scope="module")
def trained() -> Vocabulary:
    return train_vocabulary(SENTENCES, 350)


@pytest.mark.parametrize(
    "text",
    [
        "zwölf Straßen",
        "ÄÖÜ ß unseen: Ж, 漢字",
        "an emoji 😀 and a family 👨‍👩‍👧",
        "</s> <s> <pad> <unk> <0x41>",
        "a</s>b",
        "",
    ],
)
def test_text_comes_back(trained, text):
    assert trained.decode(trained.encode(text)) == text


def test_text_comes_back_normalised(trained):
    text = "  full-width ＡＢＣ,  two\u00a0spaces, decomposed o\u0308 "
    assert trained.decode(trained.encode(text)) == "full-width ABC, two spaces, decomposed ö"


def test_encoding_ends_with_eos_and_has_no_other_control_id(trained):
    ids = trained.encode("zwölf </s> <pad> <s> <unk> 漢")
    assert ids[-1] == EOS_ID
    assert not {PAD_ID, BOS_ID, EOS_ID, UNK_ID} & set(ids[:-1])


def test_control_strings_all_over_the_corpus_stay_text():
    trained = train_vocabulary(["</s> <unk> <pad> <s> </s></s>", "a word"] * 100, 300)
    ids = trained.encode("</s><pad>")
    assert trained.decode(ids) == "</s><pad>"
    assert not {PAD_ID, BOS_ID, EOS_ID, UNK_ID} & set(ids[:-1])


def test_encode_all_equals_encode_in_order(trained):
    texts = ["", *SENTENCES[:4], "漢"]
    assert trained.encode_all(texts) == [trained.encode(text) for text in texts]


def test_sampled_ids_spell_the_same_text_in_more_pieces(trained):
    text = "seventeen thousand and forty-two"
    sampled = trained.sample_all([text] * 20, dropout_rate=0.3, seed=1)
    assert {trained.decode(ids) for ids in sampled} == {trained.decode(trained.encode(text))}
    assert all(ids[-1] == EOS_ID for ids in sampled)
    lengths = [len(ids) for ids in sampled]
    assert sum(lengths) / 20 > len(trained.encode(text))
    assert len(set(map(tuple, sampled))) > 1


def test_samples_depend_on_their_seed_alone(trained):
    texts = ["seventeen thousand and forty-two"] * 9
    first = trained.sample_all(texts, dropout_rate=0.3, seed=1)
    other = trained.sample_all(texts, dropout_rate=0.3, seed=2)
    assert trained.sample_all(texts, dropout_rate=0.3, seed=1) == first != other


def test_a_dropout_of_one_leaves_single_characters(trained):
    (ids,) = trained.sample_all(["two"], dropout_rate=1.0, seed=0)
    assert trained.pieces(ids) == ["▁", "t", "w", "o", "</s>"]


def test_decode_stops_at_first_eos_and_skips_padding(trained):
    ids = trained.encode("zwölf Straßen")
    assert trained.decode([BOS_ID, PAD_ID, *ids, *trained.encode("more")]) == "zwölf Straßen"


def test_pieces_spell_the_text(trained):
    pieces = trained.pieces(trained.encode("große Straßen"))
    assert pieces[-1] == "</s>"
    assert "".join(pieces[:-1]).replace("▁", " ").strip() == "große Straßen"


def test_saved_vocabulary_is_the_same(trained, tmp_path):
    trained.save(tmp_path / "new" / "vocabulary.model")
    loaded = Vocabulary.load(tmp_path / "new" / "vocabulary.model")
    assert (loaded.digest, loaded.size) == (trained.digest, trained.size)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["vocabulary.model"]


def test_training_twice_gives_the_same_bytes(trained):
    assert train_vocabulary(iter(SENTENCES), 350).model_bytes == trained.model_bytes


def test_a_small_corpus_gives_fewer_pieces(trained):
    small = train_vocabulary(["hello world"] * 3, 5_000)
    assert 260 < small.size < 300
    assert trained.size <= 350
    assert small.decode(small.encode("hello world")) == "hello world"


def test_a_large_corpus_is_sampled_evenly_and_the_same_each_time(monkeypatch):
    stream = [str(number) for number in range(20_000)]
    sample = vocabulary._sample(stream, 1_000)
    assert sample == vocabulary._sample(iter(stream), 1_000)
    assert len(set(sample)) == 1_000
    assert sum(map(int, sample)) / 1_000 == pytest.approx(10_000, rel=0.1)


def test_a_sentence_of_100_kilobytes_is_learned_from():
    trained = train_vocabulary(["short", "überlang " * 11_000], 300)
    assert trained.pieces(trained.encode("ü")) == ["▁ü", "</s>"]


@pytest.mark.parametrize("sentences", [[], [""], ["  "]])
def test_no_text_is_refused(sentences):
    with pytest.raises(ValueError, match=r"must be learned from text, and there is none"):
        train_vocabulary(sentences, 400)


def test_a_size_below_bytes_and_characters_is_refused_with_the_least():
    with pytest.raises(ValueError, match=r"^data\.vocab_size=100 must hold .* at least 262\.$"):
        train_vocabulary(["ö"], 100)
    assert train_vocabulary(["ö"], 262).size == 262


SYMBOLS = ["(S", "(SBAR", ")S", ")SBAR", "XX", ",", '"', "''", "IN", "$"]
WITH_SYMBOLS = ["(S (SBAR XX , )SBAR XX '' )S", "MAXXAM is in INDIANA , for .25 $"]


@pytest.fixture(scope="module")
def with_symbols() -> Vocabulary:
    return train_vocabulary(SENTENCES + WITH_SYMBOLS, 420, SYMBOLS)


def test_symbols_are_single_pieces_from_the_beginning(with_symbols):
    assert with_symbols.pieces(range(4, 4 + len(SYMBOLS))) == [f"▁{symbol}" for symbol in SYMBOLS]
    text = """(S (SBAR XX , )SBAR XX " '' )S"""
    assert with_symbols.pieces(with_symbols.encode(text)) == [
        *(f"▁{token}" for token in text.split()),
        "</s>",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "(S (SBAR XX , )SBAR )S",
        "IN INDIANA ,5 $9 XXL MAXXAM (Sx )S) (( (S",  # text that only begins like a symbol, or not
        "(S(S a(S b) (SBARQ )SBARQ",
        "zwölf Straßen",
        "",
    ],
)
def test_text_with_symbols_comes_back(with_symbols, text):
    assert with_symbols.decode(with_symbols.encode(text)) == text


def test_symbol_inside_a_word_is_no_symbol(with_symbols):
    pieces = with_symbols.pieces(with_symbols.encode("MAXXAM a(S"))
    assert not {f"▁{symbol}" for symbol in SYMBOLS} & set(pieces)


def test_symbols_are_never_cut(with_symbols):
    text = "(S (SBAR XX , )SBAR XX '' )S"
    (sampled,) = with_symbols.sample_all([text], dropout_rate=1.0, seed=0)
    assert sampled == with_symbols.encode(text)


def test_no_symbols_change_nothing(trained):
    assert train_vocabulary(SENTENCES, 350, ()).model_bytes == trained.model_bytes


def test_a_size_that_cannot_hold_the_symbols_is_refused():
    with pytest.raises(ValueError) as refused:
        train_vocabulary(["ö"], 100, ["(S", ")S"])
    assert str(refused.value) == (
        "data.vocab_size=100 must hold 4 control pieces, 2 symbols, 256 bytes and every character "
        "of the corpus. Use at least 264."
    )
    assert train_vocabulary(["ö"], 264, ["(S", ")S"]).size == 264


@pytest.mark.parametrize("damage", [b"", b"not a model"])
def test_bytes_that_are_no_model_are_refused(damage):
    with pytest.raises(ValueError, match="A vocabulary must"):
        Vocabulary(damage)
