from collections import Counter

from experiment.data.corpora.word_order import asked

SENTENCE = "a man and a dog walk by the sea ."


def test_exchanged_words_are_two_that_differ_and_all_others_stay():
    words, places = SENTENCE.split(), Counter()
    for number in range(2_000):
        sentence, label = asked(SENTENCE, number)
        moved = [i for i, word in enumerate(sentence.split()) if word != words[i]]
        assert sorted(sentence.split()) == sorted(words)
        assert len(moved) == (2 if label == "swapped" else 0)
        places.update(moved)
    assert set(places) == set(range(len(words)))


def test_labels_are_even_to_what_chance_allows():
    labels = Counter(asked(f"{SENTENCE} {number % 7}", number)[1] for number in range(4_000))
    assert labels.keys() == {"original", "swapped"}
    assert abs(labels["swapped"] - 2_000) < 4 * 1_000**0.5  # standard deviations


def test_the_same_sentence_in_the_same_line_becomes_the_same_and_in_others_may_not():
    assert asked(SENTENCE, 3) == asked(SENTENCE, 3)
    assert len({asked(SENTENCE, number) for number in range(20)}) > 5


def test_sentence_without_two_different_words_is_no_question():
    assert asked("", 1) is None
    assert asked("well  well", 1) is None
    assert asked("well Well", 1) is not None


def test_spaces_do_not_tell_what_was_exchanged():
    found = {asked("  cat \u00a0chases\tdog ", number)[0] for number in range(50)}
    assert found == {
        "cat chases dog",
        "chases cat dog",
        "dog chases cat",
        "cat dog chases",
    }
