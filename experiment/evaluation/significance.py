"""Whether one system is better than another, or was luckier: paired bootstrap resampling.

Koehn (2004), "Statistical Significance Tests for Machine Translation Evaluation": the sentences are
drawn again with replacement, the same ones for every system, and each draw is scored as a corpus.
How far the difference D* of the draws lies from the difference D that was found says how far D may
lie from the truth: chance alone is the probability of |D* - D| >= |D|, towards either side.

The p-value is not sacreBLEU's: its `PairedTest` counts |D*| - mean |D*| > |D|, which for a clear
difference is one side only, and so about half of the two-sided p-value.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sacrebleu.metrics import BLEU

from experiment.evaluation.bleu import Bleu, kinds_of_bleu

SAMPLES = 1_000
SEED = 12345


class Estimate(NamedTuple):
    """A figure of one system, such as its BLEU, beside the baseline's, and how sure both are."""

    figure: float
    half_width: float  # of the 95% confidence interval
    difference: float  # from the baseline's; 0 of the baseline itself
    difference_half_width: float  # of the 95% confidence interval of the difference
    p_value: float | None  # that chance alone makes such a difference; None of the baseline itself


def paired_bootstrap(
    systems: Mapping[str, Sequence[str]],
    references: Sequence[str],
    *,
    baseline: str,
    tokenizer: str,
    language: str,
    n_samples: int = SAMPLES,
) -> dict[str, dict[str, Estimate]]:
    """Returns {system: {"sacrebleu": ..., "tokenized_bleu": ...}}, each compared with `baseline`.

    `systems` holds the translations of each by name, the baseline's among them. The draws are the
    same at each call, and for all systems. A difference is called significant below p = 0.05, the
    two-sided p-value. A handful of sentences look surer than they are: of one, all draws agree.

    Raises:
      ValueError: if a system has not one translation a reference, there is no reference, the
        baseline is no system, or `n_samples` < 1.
    """
    if baseline not in systems:
        raise ValueError(f"The baseline {baseline!r} must be one of {', '.join(systems)}.")
    if not references:
        raise ValueError("There must be at least one sentence to compare; there is none.")
    if n_samples < 1:
        raise ValueError(f"n_samples={n_samples} must be at least 1.")
    for name, translations in systems.items():
        if len(translations) != len(references):
            raise ValueError(
                f"There must be one translation a reference: {len(translations):,} of {name!r}, "
                f"{len(references):,} references."
            )
    times_drawn = _draw(len(references), n_samples)
    found: dict[str, dict[str, Estimate]] = {name: {} for name in systems}
    for kind, bleu in kinds_of_bleu(references, tokenizer=tokenizer, language=language).items():
        base = _resample_bleu(bleu, systems[baseline], times_drawn)
        for name, translations in systems.items():
            if name == baseline:
                found[name][kind] = _estimate(base, base)._replace(p_value=None)
            else:
                ours = _resample_bleu(bleu, translations, times_drawn)
                found[name][kind] = _estimate(ours, base)
    return found


def compare(
    translations: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[str],
    *,
    tokenizer: str,
    language: str,
) -> dict[str, Any]:
    """Returns, of each kind of BLEU, the baseline's, our difference from it, and the p-value.

    Beside them half of the 95% interval of our BLEU, and of the difference.
    """
    systems = {"ours": translations, "baseline": baseline}
    found = paired_bootstrap(
        systems, references, baseline="baseline", tokenizer=tokenizer, language=language
    )
    kinds = {
        kind: _plain(ours, found["baseline"][kind].figure) for kind, ours in found["ours"].items()
    }
    return {**kinds, "samples": SAMPLES}


def compare_counts(
    ours: Int[np.ndarray, "sentences counts"],
    baseline: Int[np.ndarray, "sentences counts"],
    figure: Callable[[Sequence[int]], float],
) -> dict[str, Any]:
    """Returns of another figure what `compare` does of BLEU, for one sentence or more.

    A sentence is a row of counts, and `figure` is of their sum, as labelled F1 is of brackets.

    Example:
      >>> right = np.array([[1, 1], [0, 1], [1, 1], [1, 1]])
      >>> found = compare_counts(right, right, lambda sums: 100 * sums[0] / sums[1])
      >>> found["baseline"], found["difference"], found["p_value"]
      (75.0, 0.0, 1.0)
    """
    times_drawn = _draw(len(ours), SAMPLES)

    def figures(sums: Int[np.ndarray, "corpora counts"]) -> Float[np.ndarray, " corpora"]:
        return np.array([figure(row) for row in sums.tolist()], float)

    base = _resample(baseline, times_drawn, figures)
    return _plain(_estimate(_resample(ours, times_drawn, figures), base), base.figure)


def _plain(ours: Estimate, baseline: float) -> dict[str, Any]:
    return {
        "baseline": baseline,
        "half_width": ours.half_width,
        "difference": ours.difference,
        "difference_half_width": ours.difference_half_width,
        "p_value": ours.p_value,
    }


def sentence_statistics(
    bleu: Bleu, translations: Sequence[str]
) -> Int[np.ndarray, "sentences statistics"]:
    """Returns what corpus BLEU is made of, a sentence a row: their sum is the corpus's.

    Both lengths in tokens, the n-grams that match, and those there are, for n from 1.
    """
    # sacreBLEU adds k before it returns the counts, so they would no longer sum to the corpus's.
    assert bleu.metric.smooth_method != "add-k"
    # A corpus of one sentence, for `sentence_score` warns of each that its BLEU is not smooth.
    scores = [
        bleu.metric.corpus_score([ours], [[theirs]])
        for ours, theirs in zip(bleu.prepare(translations), bleu.references, strict=True)
    ]
    return np.array([[one.sys_len, one.ref_len, *one.counts, *one.totals] for one in scores])


def bleu_of(
    metric: BLEU, sums: Int[np.ndarray, "corpora statistics"]
) -> Float[np.ndarray, " corpora"]:
    """Returns the BLEU, 0 to 100, of each sum of `sentence_statistics`."""
    order = metric.max_ngram_order
    scores = [
        metric.compute_bleu(
            counts[:order],
            counts[order:],
            length,
            wanted,
            smooth_method=metric.smooth_method,
            smooth_value=metric.smooth_value,
            effective_order=metric.effective_order,
            max_ngram_order=order,
        ).score
        for length, wanted, *counts in sums.tolist()
    ]
    return np.array(scores, float)


def two_sided_p_value(difference: float, drawn: Float[np.ndarray, " draws"]) -> float:
    """Returns how often the `drawn` differences are as far from `difference` as it is from 0.

    The difference that was found counts as one of the draws, so the least is 1 / (draws + 1); of
    no difference at all it is 1.

    Example:
      >>> two_sided_p_value(2.0, np.array([0.0, 1.0, 3.0, 4.5])), two_sided_p_value(0.0, np.ones(4))
      (0.6, 1.0)
    """
    # Shares of so many sentences are often as far away exactly: rounding must not decide then.
    as_far = int(np.count_nonzero(np.abs(drawn - difference) >= abs(difference) - 1e-9))
    return (1 + as_far) / (len(drawn) + 1)


class _Resampled(NamedTuple):
    figure: float
    drawn: Float[np.ndarray, " draws"]


def _draw(sentences: int, n_samples: int) -> Int[np.ndarray, "draws sentences"]:
    """Returns how often each sentence is in each draw."""
    random_rows = np.random.default_rng(SEED)
    draws = (random_rows.integers(sentences, size=sentences) for _ in range(n_samples))
    return np.stack([np.bincount(draw, minlength=sentences) for draw in draws])


def _resample(
    statistics: Int[np.ndarray, "sentences statistics"],
    times_drawn: Int[np.ndarray, "draws sentences"],
    figures: Callable[[Int[np.ndarray, "corpora statistics"]], Float[np.ndarray, " corpora"]],
) -> _Resampled:
    found, *drawn = figures(np.vstack([statistics.sum(0), times_drawn @ statistics]))
    return _Resampled(float(found), np.array(drawn))


def _resample_bleu(
    bleu: Bleu, translations: Sequence[str], times_drawn: Int[np.ndarray, "draws sentences"]
) -> _Resampled:
    statistics = sentence_statistics(bleu, translations)
    return _resample(statistics, times_drawn, functools.partial(bleu_of, bleu.metric))


def _estimate(ours: _Resampled, base: _Resampled) -> Estimate:
    difference, drawn = ours.figure - base.figure, ours.drawn - base.drawn
    return Estimate(
        figure=ours.figure,
        half_width=_half_width(ours.drawn),
        difference=difference,
        difference_half_width=_half_width(drawn),
        p_value=two_sided_p_value(difference, drawn),
    )


def _half_width(drawn: Float[np.ndarray, " draws"]) -> float:
    """Returns half the width of the interval that holds the middle 95% of the draws."""
    lower, upper = np.quantile(drawn, [0.025, 0.975])
    return float(upper - lower) / 2
