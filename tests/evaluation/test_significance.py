import os
import random

import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from experiment.evaluation import compare, paired_bootstrap, translation_scores

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
            assert found[name][kind].bleu == pytest.approx(scores[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_p_values_tell_better_and_worse_from_alike(found, kind):
    assert found["better"][kind].p_value < 0.05
    assert found["worse"][kind].p_value < 0.05
    assert found["alike"][kind].p_value > 0.05
    assert found["same"][kind].p_value == 1
    assert found["baseline"][kind].p_value is None


def test_same_translations_have_the_same_interval(found):
    for kind in KINDS:
        assert found["same"][kind].half_width == found["baseline"][kind].half_width > 0


def test_what_is_found_does_not_depend_on_the_environment(found, monkeypatch):
    for seed in ("1", "none"):
        monkeypatch.setenv("SACREBLEU_SEED", seed)
        assert bootstrapped() == found
        assert os.environ["SACREBLEU_SEED"] == seed


@pytest.mark.parametrize(("kind", "tokenize"), [("sacrebleu", "13a"), ("tokenized_bleu", "none")])
def test_bootstrap_written_out_agrees(kind, tokenize):
    # Tokens as given, so that both kinds see the same words; other draws than sacreBLEU's.
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
    difference = abs(bleu(statistics["alike"]) - bleu(statistics["baseline"]))
    moved = np.abs(np.subtract(ours, base))
    p_value = np.mean(moved - moved.mean() > difference)
    assert found["alike"][kind].p_value == pytest.approx(p_value, abs=0.06)


def test_comparison_with_a_baseline_says_it_in_plain_values(found):
    said = compare(SYSTEMS["better"], SYSTEMS["baseline"], REFERENCES, **MOSES)
    assert said["samples"] == 1000
    for kind in KINDS:
        assert said[kind].keys() == {"baseline", "half_width", "p_value"}
        assert said[kind]["baseline"] == found["baseline"][kind].bleu
        assert said[kind]["p_value"] < 0.05


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
