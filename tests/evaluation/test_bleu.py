import pytest
import sacrebleu

from experiment.evaluation import translation_scores

REFERENCES = [
    "Ein Mann schläft in einem grünen Zimmer auf einem Sofa.",
    "Zwei Hunde spielen im Schnee.",
    "Eine Frau, die in einer Küche eine Schale hält.",
]
TRANSLATIONS = [
    "Ein Mann schläft in einem grünen Raum auf einer Couch.",
    "Zwei Hunde spielen im Schnee.",
    "Eine Frau hält in einer Küche eine Schüssel.",
]


def test_scores_are_sacrebleus():
    scores = translation_scores(TRANSLATIONS, REFERENCES)
    assert scores["bleu"] == sacrebleu.corpus_bleu(TRANSLATIONS, [REFERENCES]).score
    assert scores["chrf"] == sacrebleu.corpus_chrf(TRANSLATIONS, [REFERENCES]).score
    assert 20 < scores["bleu"] < 80


def test_scores_come_with_their_signatures():
    scores = translation_scores(TRANSLATIONS, REFERENCES)
    version = f"version:{sacrebleu.__version__}"
    assert scores["bleu_signature"] == f"nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|{version}"
    assert scores["chrf_signature"] == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|{version}"


def test_exact_match_is_in_percent():
    assert translation_scores(TRANSLATIONS, REFERENCES)["exact_match"] == pytest.approx(100 / 3)


def test_perfect_translations_score_100():
    scores = translation_scores(REFERENCES, REFERENCES)
    assert (scores["exact_match"], scores["chrf"]) == (100, 100)
    assert scores["bleu"] == pytest.approx(100)


def test_short_references_are_scored_by_the_n_grams_there_are():
    scores = translation_scores(["ein Hund", "drei"], ["ein Hund", "zwei"])
    assert scores["bleu"] > 0
    assert "eff:yes" in str(scores["bleu_signature"])


def test_one_long_reference_keeps_the_published_bleu():
    scores = translation_scores(["ein", "ein Hund"], ["ein", "ein Hund im Schnee"])
    assert "eff:no" in str(scores["bleu_signature"])


@pytest.mark.parametrize(
    ("translations", "references", "message"),
    [
        (
            ["a"],
            ["a", "b"],
            "There must be one reference a translation: 1 translations, 2 references.",
        ),
        ([], [], "There must be at least one sentence to score; there is none."),
    ],
)
def test_what_cannot_be_scored_is_refused(translations, references, message):
    with pytest.raises(ValueError) as refused:
        translation_scores(translations, references)
    assert str(refused.value) == message
