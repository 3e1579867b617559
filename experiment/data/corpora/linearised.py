"""Trees as sequences of tokens, as Vinyals et al. 2015 write them (the paper, section 6.3)."""

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
    tokens = []
    for event, part in walked(tree):
        if event == HOLDS:
            tokens.append(part.label if tagged or part.label in PUNCTUATION else WORD)
        else:
            tokens.append(f"{'(' if event == OPENS else ')'}{part.label}")
    return tokens
