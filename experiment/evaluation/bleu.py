"""How good translations are: corpus scores with their signatures, each kind of BLEU by its name.

`sacrebleu` is of text as it is: sacreBLEU splits it into tokens in its own way, the same for
everyone. `tokenized_bleu` is of tokens made before counting, as in the paper: Moses' tokens, with
compounds split, as in tensor2tensor's `utils/get_ende_bleu.sh`, counted as `multi-bleu.perl` does.
The two are different numbers for the same translations.
"""

import functools
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sacrebleu.metrics import BLEU, CHRF

from experiment.config import TOKENIZERS

ORDER = 4  # of the longest n-grams that BLEU counts
_HYPHEN = re.compile(r"(\S)-(\S)")


class Bleu(NamedTuple):
    """One kind of BLEU, for translations of one list of references."""

    prepare: Callable[[Sequence[str]], list[str]]  # text to what the metric counts in
    references: list[str]  # prepared
    metric: BLEU
    remark: str  # what the metric's own signature does not say

    def score(self, hypotheses: Sequence[str]) -> float:
        """Returns 0 to 100."""
        score = self.metric.corpus_score(self.prepare(hypotheses), [self.references]).score
        return float(score)

    def signature(self) -> str:
        """Returns what was done, once something has been scored."""
        return f"{self.metric.get_signature()}{self.remark}"


def kinds_of_bleu(references: Sequence[str], *, tokenizer: str, language: str) -> dict[str, Bleu]:
    """Returns `sacrebleu` and `tokenized_bleu` of translations of `references`.

    `tokenizer` is "moses", which knows the rules of `language` (where it has none it takes the
    abbreviations of English), or "none": the text is tokens with spaces between them already, and
    no compound is split. `tokenized_bleu` is not smoothed: without a single match of four words it
    is 0.

    Where no reference has four words, BLEU goes up to the longest n-gram there is, and its
    signature says so (`eff:yes`): it would be 0 otherwise, whatever the translations.
    """
    prepare = functools.partial(tokenized, tokenizer=tokenizer, language=language)
    tokens, longest = prepare(references), _most_words(references)
    most_tokens = _most_words(tokens)
    order = max(1, min(ORDER, most_tokens))
    plain = BLEU(
        effective_order=longest < ORDER,
        force=tokenizer == "none",  # no warning of tokens: they are known
    )
    by_tokens = BLEU(
        tokenize="none",
        smooth_method="none",
        effective_order=most_tokens < ORDER,
        max_ngram_order=order,  # without smoothing, one longer n-gram that matches none makes 0
        force=True,
    )
    remark = f"|tokens:{_tokens_are(tokenizer, language)}" + (f"|order:{order}" * (order < ORDER))
    return {
        "sacrebleu": Bleu(list, list(references), plain, ""),
        "tokenized_bleu": Bleu(prepare, tokens, by_tokens, remark),
    }


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[str], *, tokenizer: str, language: str
) -> dict[str, object]:
    """Returns both kinds of BLEU and `chrf` (0 to 100), with signatures, and `exact_match` in %.

    Hypotheses are compared with references as they are: cased, one reference each. `tokenizer` and
    `language` are what `kinds_of_bleu` makes of them.

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
    kinds = kinds_of_bleu(references, tokenizer=tokenizer, language=language)
    chrf = CHRF()
    chrf_score = chrf.corpus_score(list(hypotheses), [list(references)])
    equal = sum(ours == theirs for ours, theirs in zip(hypotheses, references, strict=True))
    return {
        **{name: kind.score(hypotheses) for name, kind in kinds.items()},
        "chrf": chrf_score.score,
        "exact_match": 100 * equal / len(references),
        **{f"{name}_signature": kind.signature() for name, kind in kinds.items()},
        "chrf_signature": str(chrf.get_signature()),
    }


def tokenized(lines: Sequence[str], *, tokenizer: str, language: str) -> list[str]:
    """Returns the tokens of each line, with spaces between them; see `kinds_of_bleu`.

    Quotes and brackets stay themselves, where `tokenizer.perl` writes `&quot;` and the like: each
    is one token in either case, so BLEU is the same.
    """
    assert tokenizer in TOKENIZERS, tokenizer
    if tokenizer == "none":
        return list(lines)
    moses = _moses(language)
    return [split_compounds(moses.tokenize(line, return_str=True, escape=False)) for line in lines]


def split_compounds(tokens: str) -> str:
    """Returns "rich ##AT##-##AT## text" for "rich-text", as `get_ende_bleu.sh` does.

    Matches do not overlap, as with Perl's `s///g`: of "a-b-c" only the first hyphen is split.
    """
    return _HYPHEN.sub(r"\1 ##AT##-##AT## \2", tokens)


def _tokens_are(tokenizer: str, language: str) -> str:
    if tokenizer == "none":
        return "as-given"
    import sacremoses

    return f"moses-{language}+compounds|sacremoses:{sacremoses.__version__}"


def _most_words(lines: Sequence[str]) -> int:
    return max((len(line.split()) for line in lines), default=0)


@functools.cache
def _moses(language: str) -> Any:
    import sacremoses  # here, as it takes a third of a second, and most commands do without it

    return sacremoses.MosesTokenizer(lang=language)
