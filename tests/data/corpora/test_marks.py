import pytest

from experiment.data import (
    EOS_ID,
    MARK,
    MARK_ID,
    marked_sentence,
    marked_words,
    train_vocabulary,
    unmarked,
)

# With the sign itself, the vocabulary's own, words that are no text, and forms that NFKC changes.
TEXTS = [
    "the cat sleeps",
    "▸ a▸b ▸▸ c",
    "a▁▸b ▁ ▁▸",
    "a \u200b b \ufeff",
    " x\u00a0y\u2028z ",
    "ﬁve ① ▶ ► ‣ ‸",
    "NN NNP ▸NN",
]


@pytest.fixture(scope="module")
def vocabulary():
    text = [marked_words(text) for text in TEXTS] + ["NN NNP"]
    return train_vocabulary(3 * text, 330, (MARK, "NN", "NNP"))


@pytest.mark.parametrize("text", TEXTS)
def test_marks_are_as_many_as_words_whatever_the_text_holds(vocabulary, text):
    words = vocabulary.encode(marked_words(text))
    assert words.count(MARK_ID) == len(text.split())
    assert words[0] == MARK_ID
    sentence = vocabulary.encode(marked_sentence(text))
    assert (sentence[0], sentence.count(MARK_ID)) == (MARK_ID, 1)
    sampled = vocabulary.sample_all([marked_words(text)], dropout_rate=0.9, seed=0)[0]
    assert sampled.count(MARK_ID) == len(text.split())


def test_sign_of_the_text_itself_is_read_as_another(vocabulary):
    assert vocabulary.decode(vocabulary.encode(marked_sentence("a▸b ▸"))) == "▸ a▹b ▹"
    assert unmarked(marked_words("a ▸ b")) == "a ▹ b"


@pytest.mark.parametrize("text", ["", " ", "\u200b\ufeff\t"])
def test_where_there_is_nothing_to_read_there_is_nothing_to_label(vocabulary, text):
    assert marked_sentence(text) == ""
    assert vocabulary.encode(marked_words("")) == [EOS_ID]
