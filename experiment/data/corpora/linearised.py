"""Trees as sequences of tokens, as Vinyals et al. 2015 write them (the paper, section 6.3)."""

import unicodedata
from collections.abc import Callable, Iterable

from experiment.data.corpora.trees import HOLDS, OPENS, Tree, walked

WORD = "XX"
# The tags that evalb's COLLINS.prm takes out before it counts. They stay in the sequence, where all
# other tags become XX, so that a sequence holds all that its score needs.
PUNCTUATION = (",", ":", "``", "''", ".")


def linearised(tree: Tree, *, tagged: bool = False) -> list[str]:
    """Returns a token for each bracket that opens, each word, and each bracket that closes.

    A word's token is its tag if `tagged`; else XX, but for punctuation.

    Example:
      >>> from experiment.data.corpora.trees import parsed
      >>> (tree,) = parsed(["(S (NP (DT the) (NN cat)) (VP (VBZ sleeps)) (. .))"], "example")
      >>> " ".join(linearised(tree))
      '(S (NP XX XX )NP (VP XX )VP . )S'
      >>> " ".join(linearised(tree, tagged=True))
      '(S (NP DT NN )NP (VP VBZ )VP . )S'
    """
    if tagged:
        return _written(tree, lambda tag: tag.label)
    return _written(tree, lambda tag: tag.label if tag.label in PUNCTUATION else WORD)


def worded(tree: Tree) -> list[str]:
    """Returns the `linearised` tree with the words themselves in the place of XX.

    A word that would be taken for punctuation or, by the vocabulary's normalisation, for a bracket
    stays XX.

    Example:
      >>> from experiment.data.corpora.trees import parsed
      >>> (tree,) = parsed(["(S (NP (DT the) (NN cat)) (VP (VBZ sleeps)) (. .))"], "example")
      >>> " ".join(worded(tree))
      '(S (NP the cat )NP (VP sleeps )VP . )S'
      >>> " ".join(without_words(worded(tree)))
      '(S (NP XX XX )NP (VP XX )VP . )S'
    """

    def leaf(tag: Tree) -> str:
        if tag.label in PUNCTUATION:
            return tag.label
        plain = unicodedata.normalize("NFKC", tag.word)
        return WORD if plain in PUNCTUATION or "(" in plain or ")" in plain else tag.word

    return _written(tree, leaf)


def without_words(tokens: Iterable[str]) -> list[str]:
    """Returns tokens with XX in the place of whatever has no bracket and is no punctuation."""
    return [
        token if token in PUNCTUATION or "(" in token or ")" in token else WORD for token in tokens
    ]


def _written(tree: Tree, leaf: Callable[[Tree], str]) -> list[str]:
    tokens = []
    for event, part in walked(tree):
        if event == HOLDS:
            tokens.append(leaf(part))
        else:
            tokens.append(f"{'(' if event == OPENS else ')'}{part.label}")
    return tokens
