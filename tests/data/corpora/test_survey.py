import itertools
import pathlib

from experiment.data.corpora import survey
from experiment.data.corpora.parallel_files import Line
from experiment.data.corpora.swapped import swapped


def test_of_many_pairs_some_are_drawn_evenly_and_named_by_their_line(numbers, monkeypatch):
    """Swapped languages are looked for in those alone."""
    monkeypatch.setattr(survey, "SAMPLED_PAIRS", 100)
    pairs = numbers.pairs("train")[:50]
    files = {language: pathlib.Path(f"train.{language}") for language in ("en", "de")}
    survey_of_train = survey.Survey("train", files)
    num_lines, backwards = 210, (10, 11, 208)
    for number in range(1, num_lines + 1):
        english, german = pairs[number % 50]
        if number - 1 in backwards:
            english, german = german, english
        survey_of_train.add(Line(number, {"en": english, "de": german}, "", ""))
    said = []
    survey_of_train.report(said.append)
    assert said[-1] == (
        "warning: 2 of 105 pairs drawn of train seem to have their languages swapped: "
        "train.en:11, train.en:209."
    )


def test_languages_are_not_called_swapped_where_there_is_but_one(numbers):
    english = [pair[0] for pair in numbers.pairs("train")[:1_000]]
    assert swapped(list(itertools.pairwise(english))) == []
