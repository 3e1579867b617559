"""How good translations are: corpus scores by sacreBLEU, always with their signatures."""

from collections.abc import Sequence

from sacrebleu.metrics import BLEU, CHRF


def translation_scores(hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, object]:
    """Returns `bleu` and `chrf` (0 to 100), their signatures, and `exact_match` in percent.

    Hypotheses are compared with references as they are: cased, detokenised, one reference each.
    Where no reference has four words, BLEU goes up to the longest n-gram there is, and its
    signature says so (`eff:yes`): it would be 0 otherwise, whatever the translations.

    Raises:
      ValueError: if the two are not of equal length, or empty.
    """
    if len(hypotheses) != len(references):
        raise ValueError(
            f"There must be one reference a translation: {len(hypotheses)} translations, "
            f"{len(references)} references."
        )
    if not references:
        raise ValueError("There must be at least one sentence to score; there is none.")
    has_four_grams = any(len(reference.split()) >= 4 for reference in references)
    bleu, chrf = BLEU(effective_order=not has_four_grams), CHRF()
    bleu_score = bleu.corpus_score(list(hypotheses), [list(references)])
    chrf_score = chrf.corpus_score(list(hypotheses), [list(references)])
    equal = sum(ours == theirs for ours, theirs in zip(hypotheses, references, strict=True))
    return {
        "bleu": bleu_score.score,
        "chrf": chrf_score.score,
        "exact_match": 100 * equal / len(references),
        "bleu_signature": str(bleu.get_signature()),
        "chrf_signature": str(chrf.get_signature()),
    }
