"""Trees for tests: of any shape, and a small treebank that nobody has annotated before."""

from hypothesis import strategies as st

from experiment.data.corpora import Tree

# As a treebank has them: over several lines, with traces, functions, indices, chains.
TRAIN = """
( (S
    (NP-SBJ (DT The) (NN baker))
    (VP (VBZ sells)
      (NP (NN bread)))
    (. .)))
( (S (NP-SBJ-1 (PRP She)) (VP (VBD seemed) (S (NP-SBJ (-NONE- *-1)) (VP (TO to)
    (VP (VB sleep))))) (. .)) )
( (S (NP-SBJ (NP (NNS Rivers)) (PRN (-LRB- -LRB-) (PP-LOC (IN in) (NP (NN spring))) (-RRB- -RRB-)))
     (VP (VBP rise) (ADVP|PRT (RB up))) (. .)) )
( (NP (-NONE- *)) )
( (FRAG (INTJ (UH Well)) (, ,) (NP=2 (NN soup))) (. .) )
"""
VALIDATION = "( (S (NP-SBJ (PRP She)) (VP (VBZ sells) (NP (NN bread))) (. .)) )\n"
TEST = "( (SQ (VBZ Sells) (NP-SBJ (DT the) (NN baker)) (NP (NN soup)) (. ?)) )\n"

LABELS = st.sampled_from(["S", "NP", "VP", "PP", "ADVP", "PRT", "X", "XX", "TOP", "SBAR"])
TAGS = st.sampled_from(["DT", "NN", "VBZ", ",", ":", "``", "''", ".", "-LRB-", "PRP$"])
WORDS = st.text(
    st.characters(exclude_characters="()", exclude_categories=["Z", "C"]), min_size=1, max_size=3
)
PHRASES = st.recursive(
    st.builds(lambda label, word: Tree(label, (), word), TAGS, WORDS),
    lambda trees: st.builds(
        lambda label, children: Tree(label, tuple(children)),
        LABELS,
        st.lists(trees, min_size=1, max_size=4),
    ),
    max_leaves=12,
).filter(lambda tree: not tree.word)
