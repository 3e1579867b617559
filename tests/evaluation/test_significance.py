import itertools
import random
from statistics import NormalDist

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from experiment.evaluation import compare, paired_bootstrap, translation_scores
from experiment.evaluation.bleu import kinds_of_bleu
from experiment.evaluation.significance import (
    SAMPLES,
    SEED,
    bleu_of,
    compare_counts,
    sentence_statistics,
    two_sided_p_value,
)

MOSES = {"tokenizer": "moses", "language": "de"}
KINDS = ("sacrebleu", "tokenized_bleu")
WORDS = ["der", "die", "Hund", "Katze", "läuft", "springt", "über", "Straße-Ecke", ",", "schnell"]


def spoiled(lines, share, seed):
    """The lines with this share of their words replaced by others."""
    draw = random.Random(seed)
    return [
        " ".join(draw.choice(WORDS) if draw.random() < share else word for word in line.split())
        for line in lines
    ]


_draw = random.Random(0)
REFERENCES = [" ".join(_draw.choices(WORDS, k=_draw.randint(5, 15))) + "." for _ in range(120)]
SYSTEMS = {
    "worse": spoiled(REFERENCES, 0.4, 1),
    "nearly": [*spoiled(REFERENCES[:6], 0.1, 5), *spoiled(REFERENCES, 0.2, 2)[6:]],
    "baseline": spoiled(REFERENCES, 0.2, 2),
    "alike": spoiled(REFERENCES, 0.2, 3),
    "same": spoiled(REFERENCES, 0.2, 2),
    "better": spoiled(REFERENCES, 0.1, 4),
}


def bootstrapped(**changes):
    options = {"baseline": "baseline", "n_samples": 300, **MOSES, **changes}
    return paired_bootstrap(SYSTEMS, REFERENCES, **options)


@pytest.fixture(scope="module")
def found():
    return bootstrapped()


def test_bleu_is_the_one_that_is_reported(found):
    assert list(found) == list(SYSTEMS)
    for name, translations in SYSTEMS.items():
        scores = translation_scores(translations, REFERENCES, **MOSES)
        for kind in KINDS:
            assert found[name][kind].figure == pytest.approx(scores[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_p_values_tell_better_and_worse_from_alike(found, kind):
    assert found["better"][kind].p_value < 0.05
    assert found["worse"][kind].p_value < 0.05
    assert found["alike"][kind].p_value > 0.05
    assert found["same"][kind].p_value == 1
    assert found["baseline"][kind].p_value is None


def test_same_translations_have_the_same_interval_and_no_difference(found):
    for kind in KINDS:
        base, same = found["baseline"][kind], found["same"][kind]
        assert same.half_width == base.half_width > 0
        for estimate in (base, same):
            assert estimate.difference == estimate.difference_half_width == 0


def test_a_difference_is_of_the_two_bleus(found):
    for name, kind in itertools.product(SYSTEMS, KINDS):
        ours, base = found[name][kind], found["baseline"][kind]
        assert ours.difference == ours.figure - base.figure


def test_systems_are_drawn_together(found):
    for kind in KINDS:
        ours, base = found["nearly"][kind], found["baseline"][kind]
        assert 0 < ours.difference_half_width < 0.5 * np.hypot(ours.half_width, base.half_width)


def test_what_is_found_does_not_depend_on_the_environment_or_on_other_systems(found, monkeypatch):
    for seed in ("1", "none"):
        monkeypatch.setenv("SACREBLEU_SEED", seed)
        np.random.seed(7)
        random.seed(7)
        assert bootstrapped() == found
    fewer = {name: SYSTEMS[name] for name in ("better", "baseline")}
    alone = paired_bootstrap(fewer, REFERENCES, baseline="baseline", n_samples=300, **MOSES)
    assert alone == {name: found[name] for name in fewer}


SHORT = ["der Hund", "die Katze läuft", "schnell"]  # no four words: effective order


@pytest.mark.parametrize("references", [REFERENCES, SHORT], ids=["long", "short"])
@pytest.mark.parametrize("tokenizer", ["moses", "none"])
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_sentences_sum_to_the_corpus(kind, tokenizer, references):
    bleu = kinds_of_bleu(references, tokenizer=tokenizer, language="de")[kind]
    assert bleu.metric.effective_order == (references is SHORT)
    some = spoiled(references, 0.3, 6)
    some_empty = ["", *some[1:-1], " "]
    # Only single words match: longer n-grams are smoothed, or make BLEU 0.
    rare = ["Über-Straße", *("schnell x" for _ in references[1:])]
    all_empty = [""] * len(references)
    for translations in (some, some_empty, rare, all_empty, references):
        statistics = sentence_statistics(bleu, translations)
        assert statistics.dtype.kind == "i"
        assert statistics.shape == (len(references), 2 + 2 * bleu.metric.max_ngram_order)
        corpus = bleu.metric.corpus_score(bleu.prepare(translations), [bleu.references])
        assert statistics.sum(0).tolist() == [
            corpus.sys_len,
            corpus.ref_len,
            *corpus.counts,
            *corpus.totals,
        ]
        (summed,) = bleu_of(bleu.metric, statistics.sum(0, keepdims=True))
        assert summed == corpus.score == bleu.score(translations)


def test_sentences_are_counted_without_a_warning(caplog):
    for bleu in kinds_of_bleu(REFERENCES, **MOSES).values():
        sentence_statistics(bleu, SYSTEMS["worse"])
    assert not caplog.records


def test_p_value_is_of_both_sides():
    # Draws at the quantiles of a normal distribution around what was found.
    around = np.array([NormalDist().inv_cdf((i + 0.5) / 100_000) for i in range(100_000)])
    for z, p_value in ((1.96, 0.05), (-1.96, 0.05), (2.576, 0.01), (1.0, 0.317)):
        assert two_sided_p_value(z, z + around) == pytest.approx(p_value, abs=0.001)
    assert two_sided_p_value(0.0, around) == 1
    assert two_sided_p_value(9.0, 9.0 + around) == 1 / 100_001


def test_of_differences_by_chance_one_in_twenty_is_significant():
    chance = np.random.default_rng(0)
    found = chance.normal(size=2_000)
    p_values = [two_sided_p_value(one, one + chance.normal(size=400)) for one in found.tolist()]
    assert np.mean(np.less(p_values, 0.05)) == pytest.approx(0.05, abs=0.015)
    assert np.mean(np.less(p_values, 0.5)) == pytest.approx(0.5, abs=0.04)


def test_of_systems_that_differ_by_chance_one_in_twenty_is_significant():
    chance, cases = np.random.default_rng(1), 200
    short = [" ".join(line.split()[:6]) for line in REFERENCES[:30]]
    both = np.array([spoiled(short, 0.3, 1), spoiled(short, 0.3, 2)])
    options = {"baseline": "theirs", "tokenizer": "none", "language": "de", "n_samples": 100}
    significant = 0
    for _ in range(cases):
        # Which of the two a sentence is from is chance, so neither system is the better one.
        turn = chance.integers(2, size=len(short))
        ours, theirs = (np.where(turn == side, *both).tolist() for side in (0, 1))
        found = paired_bootstrap({"ours": ours, "theirs": theirs}, short, **options)
        significant += found["ours"]["sacrebleu"].p_value < 0.05
    assert 0.01 < significant / cases < 0.09


@pytest.mark.parametrize(("kind", "tokenize"), [("sacrebleu", "13a"), ("tokenized_bleu", "none")])
def test_bootstrap_written_out_agrees(kind, tokenize):
    # Tokens as given, so that both kinds see the same words; other draws than ours.
    found = bootstrapped(tokenizer="none", n_samples=1000)
    metric, random_rows = BLEU(tokenize=tokenize, force=True), np.random.default_rng(1)
    statistics = {
        name: np.array(
            [
                [score.sys_len, score.ref_len, *score.counts, *score.totals]
                for ours, theirs in zip(SYSTEMS[name], REFERENCES, strict=True)
                for score in [metric.corpus_score([ours], [[theirs]])]
            ]
        )
        for name in ("baseline", "alike")
    }

    def bleu(rows):
        length, wanted, *counts = rows.sum(0)
        precisions = np.divide(counts[:4], counts[4:])
        return 100 * min(1, np.exp(1 - wanted / length)) * np.exp(np.log(precisions).mean())

    draws = random_rows.integers(len(REFERENCES), size=(1000, len(REFERENCES)))
    base, ours = ([bleu(rows[draw]) for draw in draws] for rows in statistics.values())
    lower, upper = np.quantile(ours, [0.025, 0.975])
    assert found["alike"][kind].half_width == pytest.approx((upper - lower) / 2, rel=0.15)
    difference = bleu(statistics["alike"]) - bleu(statistics["baseline"])
    drawn = np.subtract(ours, base)
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    width = found["alike"][kind].difference_half_width
    assert width == pytest.approx((upper - lower) / 2, rel=0.15)
    p_value = np.mean(np.abs(drawn - difference) >= abs(difference))
    assert found["alike"][kind].p_value == pytest.approx(p_value, abs=0.06)


def test_comparison_with_a_baseline_says_it_in_plain_values(found):
    said = compare(SYSTEMS["better"], SYSTEMS["baseline"], REFERENCES, **MOSES)
    assert said["samples"] == 1000
    for kind in KINDS:
        ours, base = found["better"][kind], found["baseline"][kind]
        widths = {"half_width", "difference_half_width"}
        assert said[kind].keys() == {"baseline", "difference", "p_value", *widths}
        assert (said[kind]["baseline"], said[kind]["difference"]) == (base.figure, ours.difference)
        # Other draws, of the same sentences.
        for width in widths:
            assert said[kind][width] == pytest.approx(getattr(ours, width), rel=0.2)
        assert said[kind]["p_value"] < 0.05


def test_shares_that_are_as_far_away_are_told_so_whatever_their_rounding():
    right = np.arange(300) < 150
    ours, baseline = (np.stack([each, np.ones(300)], 1).astype(int) for each in (right, right))
    ours[200, 0] = 1
    found = compare_counts(ours, baseline, lambda sums: 100 * sums[0] / sums[1])
    draw = np.random.default_rng(SEED)
    drawn = [(draw.integers(300, size=300) == 200).sum() for _ in range(SAMPLES)]
    assert found["p_value"] == (1 + sum(abs(each - 1) >= 1 for each in drawn)) / (SAMPLES + 1)


def test_counts_tell_better_and_worse_from_alike():
    draw = np.random.default_rng(0)
    good, bad = (draw.random(300) < share for share in (0.9, 0.7))
    alike = draw.permutation(good)  # other sentences, and one more
    alike[np.argmin(alike)] = True

    def compared(ours, baseline):
        rows = [np.stack([each, np.ones(300)], axis=1).astype(int) for each in (ours, baseline)]
        return compare_counts(*rows, lambda sums: 100 * sums[0] / sums[1])

    found = compared(good, bad)
    assert found["baseline"] == pytest.approx(100 * bad.mean())
    assert found["difference"] == pytest.approx(100 * (good.mean() - bad.mean()))
    assert found["p_value"] < 0.01 < 0.5 < compared(good, alike)["p_value"]
    opposite = compared(bad, good)
    assert opposite["p_value"] == found["p_value"]
    assert opposite["difference"] == pytest.approx(-found["difference"])
    # Half a 95% interval of a mean is 1.96 standard errors.
    standard_error = 100 * (good.astype(float) - bad).std() / 300**0.5
    assert found["difference_half_width"] == pytest.approx(1.96 * standard_error, rel=0.1)


@pytest.mark.parametrize(
    ("systems", "references", "changes", "message"),
    [
        (
            {"baseline": ["a", "b"], "other": ["a"]},
            ["a", "b"],
            {},
            "There must be one translation a reference: 1 of 'other', 2 references.",
        ),
        ({"other": ["a"]}, ["a"], {}, "The baseline 'baseline' must be one of other."),
        (
            {"baseline": []},
            [],
            {},
            "There must be at least one sentence to compare; there is none.",
        ),
        ({"baseline": ["a"]}, ["a"], {"n_samples": 0}, "n_samples=0 must be at least 1."),
    ],
)
def test_what_cannot_be_compared_is_refused(systems, references, changes, message):
    with pytest.raises(ValueError) as refused:
        paired_bootstrap(systems, references, baseline="baseline", **MOSES, **changes)
    assert str(refused.value) == message
