"""Lines of a person, as sentences to look at."""

import io

import pytest

from experiment.analysis.viewer import Given, given_lines
from experiment.analysis.viewer.given import MAX_PIECES, check_lengths, first_that_fit
from experiment.data import lines_of
from experiment.evaluation.task import LANGUAGE_MODELLING, TRANSLATION
from tests.made_up import vocabulary


def test_a_tab_stands_before_the_reference():
    lines = ["the cat", "", "the mat\tdie Matte", "the rat\t"]
    assert given_lines(lines, TRANSLATION, "FILE") == [
        Given("the cat"),
        Given("the mat", "die Matte"),
        Given("the rat", ""),
    ]


def test_a_language_models_line_is_all_text():
    assert given_lines(["a\tb"], LANGUAGE_MODELLING, "FILE") == [Given("", "a\tb")]


def test_more_tabs_are_refused_by_line():
    with pytest.raises(ValueError, match=r"^FILE, line 2: .* this has 2 tabs\. Replace"):
        given_lines(["a", "a\tb\tc"], TRANSLATION, "FILE")


def test_a_line_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match="FILE, line 1"):
        given_lines(lines_of(io.BytesIO(b"the \0 cat\n"), "FILE"), TRANSLATION, "FILE")


@pytest.mark.parametrize("side", [0, 1])
def test_a_sentence_that_nobody_could_look_at_is_refused(side):
    long = ["the cat", "die Katze"]
    long[side] = "the " * MAX_PIECES
    with pytest.raises(ValueError, match=rf"at most {MAX_PIECES} pieces; number 2 has"):
        check_lengths(vocabulary(), [Given("the cat"), Given(*long)])
    check_lengths(vocabulary(), [Given("the " * (MAX_PIECES // 4))])


def test_examples_are_the_first_that_fit():
    short, long = Given("the cat", "die Katze"), Given("the cat", "die " * MAX_PIECES)
    given = [long, short, long, long, short, short, long]
    assert first_that_fit(vocabulary(), given, 2) == ([short, short], 3)
    assert first_that_fit(vocabulary(), given, 9) == ([short] * 3, 4)
