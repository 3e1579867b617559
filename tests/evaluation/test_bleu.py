import functools
import math
import random
from collections import Counter

import pytest
import sacrebleu
import sacremoses
from sacrebleu.metrics import BLEU

from experiment.evaluation import translation_scores
from experiment.evaluation.bleu import split_compounds, tokenized

REFERENCES = [
    "Ein Mann schläft in einem grünen Zimmer auf einem Sofa.",
    "Zwei Hunde spielen im Schnee.",
    'Eine Frau, die in einer Küche eine "Retro-Schale" hält.',
]
TRANSLATIONS = [
    "Ein Mann schläft in einem grünen Raum auf einer Couch.",
    "Zwei Hunde spielen im Schnee.",
    'Eine Frau hält in einer Küche eine "Retro-Schüssel".',
]
VERSION = f"version:{sacrebleu.__version__}"
MOSES = f"tokens:moses-de+compounds|sacremoses:{sacremoses.__version__}"

of_moses = functools.partial(translation_scores, tokenizer="moses", language="de")
of_tokens = functools.partial(translation_scores, tokenizer="none", language="de")


def corpus_bleu(translations, references):
    """BLEU of tokens between spaces, as `multi-bleu.perl` has it: no smoothing, four orders."""
    precisions = []
    for n in range(1, 5):
        correct = total = 0
        for ours, theirs in zip(translations, references, strict=True):
            found, wanted = (
                Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
                for words in (ours.split(), theirs.split())
            )
            correct += (found & wanted).total()
            total += found.total()
        precisions.append(correct / total if total else 0)
    if not all(precisions):
        return 0
    length, wanted = (
        sum(len(line.split()) for line in text) for text in (translations, references)
    )
    brevity = min(1, math.exp(1 - wanted / length))
    return 100 * brevity * math.exp(sum(map(math.log, precisions)) / 4)


def test_sacrebleu_and_chrf_are_sacrebleus():
    scores = of_moses(TRANSLATIONS, REFERENCES)
    assert scores["sacrebleu"] == sacrebleu.corpus_bleu(TRANSLATIONS, [REFERENCES]).score
    assert scores["chrf"] == sacrebleu.corpus_chrf(TRANSLATIONS, [REFERENCES]).score
    assert 20 < scores["sacrebleu"] < 80


def test_tokenized_bleu_is_that_of_its_n_grams_counted_by_hand():
    references = ["Der Hund läuft über die Wiese .", "Über den Zaun"]
    translations = ["Der Hund läuft über das Wiese .", "den den"]
    # 1-grams: 6 of 7, and of "den den" one, as there is one "den": 7 of 9. 2-grams: "Der Hund",
    # "Hund läuft", "läuft über", "Wiese ." of 6, none of 1: 4 of 7. 3-grams: "Der Hund läuft",
    # "Hund läuft über" of 5. 4-grams: "Der Hund läuft über" of 4. 9 words instead of 10.
    precisions = 7 / 9 * 4 / 7 * 2 / 5 * 1 / 4
    expected = 100 * math.exp(1 - 10 / 9) * precisions**0.25
    assert of_tokens(translations, references)["tokenized_bleu"] == pytest.approx(expected)


def test_tokenized_bleu_is_what_multi_bleu_gives_of_the_tokens():
    words, draw = ["der", "die", "Hund", "läuft", "über", "Straße", ",", "."], random.Random(0)
    references = [" ".join(draw.choices(words, k=draw.randint(0, 20))) for _ in range(50)]
    translations = [
        " ".join(word for word in reference.split() if draw.random() < 0.8)
        for reference in references
    ]
    assert "" in [*references, *translations]
    expected = corpus_bleu(translations, references)
    assert 20 < expected < 80
    assert of_tokens(translations, references)["tokenized_bleu"] == pytest.approx(expected)


def test_tokens_are_those_of_moses_with_compounds_split():
    (tokens,) = tokenized(
        ['Die "Müller-Straße", z.B. am 3. Mai.'], tokenizer="moses", language="de"
    )
    assert tokens == 'Die " Müller ##AT##-##AT## Straße " , z.B. am 3. Mai .'
    scores = of_moses(TRANSLATIONS, REFERENCES)
    of_both = (
        tokenized(text, tokenizer="moses", language="de") for text in (TRANSLATIONS, REFERENCES)
    )
    assert scores["tokenized_bleu"] == pytest.approx(corpus_bleu(*of_both))
    assert scores["tokenized_bleu"] != pytest.approx(scores["sacrebleu"])


@pytest.mark.parametrize(
    ("tokens", "split"),
    [
        ("rich-text format", "rich ##AT##-##AT## text format"),
        ("a-b-c", "a ##AT##-##AT## b-c"),  # "b" belongs to the first match
        ("ab-cd-ef", "ab ##AT##-##AT## cd ##AT##-##AT## ef"),
        ("a--b", "a ##AT##-##AT## -b"),
        ("Ober- und Unterseite", "Ober- und Unterseite"),
        ("- a -", "- a -"),
        ("grün-öl", "grün ##AT##-##AT## öl"),
        ("1990-95", "1990 ##AT##-##AT## 95"),
        ("", ""),
    ],
)
def test_compounds_are_split_as_perl_would(tokens, split):
    assert split_compounds(tokens) == split


def test_escaping_as_tokenizer_perl_does_changes_nothing():
    moses = sacremoses.MosesTokenizer(lang="de")
    escaped = [
        [split_compounds(moses.tokenize(line, return_str=True)) for line in text]
        for text in (TRANSLATIONS, REFERENCES)
    ]
    assert "&quot;" in escaped[1][2]
    expected = of_moses(TRANSLATIONS, REFERENCES)["tokenized_bleu"]
    assert corpus_bleu(*escaped) == pytest.approx(expected)


def test_text_that_is_tokens_is_split_at_spaces_only():
    lines = ["Das ist 's , Müller-Straße .", ""]
    assert tokenized(lines, tokenizer="none", language="de") == lines


def test_language_without_rules_has_those_of_english():
    line = ["It's Mr. Smith, e.g. here."]
    rules = {
        language: tokenized(line, tokenizer="moses", language=language)
        for language in ("xx", "en", "de")
    }
    assert rules["xx"] == ["It ' s Mr. Smith , e.g. here ."]
    assert rules["en"] == ["It 's Mr. Smith , e.g. here ."]


def test_scores_come_with_their_signatures():
    sacre, tokens = "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp", "eff:no|tok:none|smooth:none"
    scores = of_moses(TRANSLATIONS, REFERENCES)
    assert scores["sacrebleu_signature"] == f"{sacre}|{VERSION}"
    assert scores["tokenized_bleu_signature"] == f"nrefs:1|case:mixed|{tokens}|{VERSION}|{MOSES}"
    assert scores["chrf_signature"] == f"nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|{VERSION}"
    given = of_tokens(TRANSLATIONS, REFERENCES)
    assert given["sacrebleu_signature"] == f"{sacre}|{VERSION}"
    assert given["tokenized_bleu_signature"] == (
        f"nrefs:1|case:mixed|{tokens}|{VERSION}|tokens:as-given"
    )


def test_exact_match_is_in_percent():
    assert of_moses(TRANSLATIONS, REFERENCES)["exact_match"] == pytest.approx(100 / 3)


def test_perfect_translations_score_100():
    scores = of_moses(REFERENCES, REFERENCES)
    assert (scores["exact_match"], scores["chrf"]) == (100, 100)
    assert scores["sacrebleu"] == pytest.approx(100)
    assert scores["tokenized_bleu"] == pytest.approx(100)


def test_empty_translations_score_0():
    scores = of_moses(["", "", ""], REFERENCES)
    assert scores["sacrebleu"] == scores["tokenized_bleu"] == scores["chrf"] == 0


def test_empty_translation_costs_its_words():
    some = of_moses([*REFERENCES[:2], ""], REFERENCES)["tokenized_bleu"]
    tokens = [len(t.split()) for t in tokenized(REFERENCES, tokenizer="moses", language="de")]
    assert some == pytest.approx(100 * math.exp(1 - sum(tokens) / sum(tokens[:2])))


def test_short_references_are_scored_by_the_n_grams_there_are():
    scores = of_moses(["ein Hund", "drei"], ["ein Hund", "zwei"])
    assert scores["sacrebleu"] > 0
    assert "eff:yes" in str(scores["sacrebleu_signature"])
    assert scores["tokenized_bleu"] == pytest.approx(100 * math.sqrt(2 / 3))
    assert "eff:yes" in str(scores["tokenized_bleu_signature"])
    assert str(scores["tokenized_bleu_signature"]).endswith(f"{MOSES}|order:2")


def test_word_too_many_is_not_the_end_of_a_score_of_single_words():
    assert of_moses(["eins", "zwei drei"], ["eins", "zwei"])["tokenized_bleu"] == pytest.approx(
        100 * 2 / 3
    )


def test_one_long_reference_keeps_the_published_bleu():
    scores = of_moses(["ein", "ein Hund"], ["ein", "ein Hund im Schnee"])
    assert "eff:no" in str(scores["sacrebleu_signature"])
    assert "eff:no" in str(scores["tokenized_bleu_signature"])
    assert scores["tokenized_bleu"] == 0


def test_sacrebleu_does_not_warn_of_tokens_where_tokens_are_meant(caplog):
    lines = ["Das ist es ."] * 100
    of_tokens(lines, lines)
    assert caplog.text == ""
    BLEU().corpus_score(lines, [lines])
    assert "tokenized period" in caplog.text


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
        of_moses(translations, references)
    assert str(refused.value) == message
