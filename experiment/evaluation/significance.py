"""Whether one system is better than another, or was luckier: paired bootstrap resampling.

Koehn (2004), by sacreBLEU. The sentences are drawn again with replacement, the same ones for both
systems, and it is counted how often the difference moves by more than what was found.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sacrebleu.significance import PairedTest, Result

from experiment.evaluation.bleu import Bleu, kinds_of_bleu

SAMPLES = 1_000
SEED = 12345  # sacreBLEU's own


class Estimate(NamedTuple):
    """The BLEU of one system, and how sure it is."""

    bleu: float
    half_width: float  # of the 95% confidence interval
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
    same at each call, and in this process. A difference is called significant below p = 0.05.

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
    names = [baseline, *(name for name in systems if name != baseline)]
    found: dict[str, dict[str, Estimate]] = {name: {} for name in systems}
    # One test for each kind: sacreBLEU keeps results by the name of the metric, and both are BLEU.
    for kind, bleu in kinds_of_bleu(references, tokenizer=tokenizer, language=language).items():
        prepared: list[tuple[str, Sequence[str]]]
        prepared = [(name, bleu.prepare(systems[name])) for name in names]
        for name, estimate in zip(names, _test(bleu, prepared, n_samples), strict=True):
            found[name][kind] = estimate
    return found


def compare(
    translations: Sequence[str],
    baseline: Sequence[str],
    references: Sequence[str],
    *,
    tokenizer: str,
    language: str,
) -> dict[str, Any]:
    """Returns, of each kind of BLEU, the baseline's, half our 95% interval, and the p-value."""
    systems = {"ours": translations, "baseline": baseline}
    found = paired_bootstrap(
        systems, references, baseline="baseline", tokenizer=tokenizer, language=language
    )
    kinds = {
        kind: {
            "baseline": found["baseline"][kind].bleu,
            "half_width": ours.half_width,
            "p_value": ours.p_value,
        }
        for kind, ours in found["ours"].items()
    }
    return {**kinds, "samples": SAMPLES}


def _test(bleu: Bleu, systems: list[tuple[str, Sequence[str]]], n_samples: int) -> list[Estimate]:
    """Returns the estimates of `systems`, the first of which is the baseline."""
    with _sacrebleu_seed(SEED):
        test = PairedTest(
            systems, {"BLEU": bleu.metric}, [bleu.references], "bs", n_samples, n_jobs=1
        )
        _, results = test()
    baseline, *others = [found for found in results["BLEU"] if isinstance(found, Result)]
    # Of two that score the same, sacreBLEU would say p = 1 / (n_samples + 1): no draw moves the
    # difference by more than nothing. But every difference is at least as large as none.
    p_values = [1.0 if other.score == baseline.score else other.p_value for other in others]
    return [
        Estimate(float(found.score), float(found.ci or 0.0), p_value)
        for found, p_value in zip([baseline, *others], [None, *p_values], strict=True)
    ]


@contextlib.contextmanager
def _sacrebleu_seed(seed: int) -> Iterator[None]:
    """Inside, sacreBLEU draws from `seed`, whatever the environment says."""
    name = "SACREBLEU_SEED"
    before = os.environ.get(name)
    os.environ[name] = str(seed)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
