import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiment.data.corpora import ROOTS, Tree, bracketed, plain
from experiment.data.corpora.trees import parsed
from tests.data.corpora.made_up_trees import PHRASES

ANY = settings(derandomize=True, deadline=None, max_examples=200)


def plainly(text):
    (tree,) = parsed([text], "text")
    found = plain(tree)
    return found and bracketed(found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("( (S (NP-SBJ-1 (NN tea)) (VP=2 (VBZ cools))))", "(S (NP (NN tea)) (VP (VBZ cools)))"),
        ("( (S (NP=2 (NN tea)) (ADVP|PRT (RB up))))", "(S (NP (NN tea)) (ADVP (RB up)))"),
        # A trace goes, and with it the brackets that hold nothing else, up to the last.
        ("( (S (VP (VB go) (SBAR (-NONE- 0) (S (-NONE- *T*-1))))))", "(S (VP (VB go)))"),
        # Tags are no phrases: nothing is cut off them.
        ("( (NP (-LRB- -LRB-) (PRP$ his) (JJ|NN x)))", "(NP (-LRB- -LRB-) (PRP$ his) (JJ|NN x))"),
        # Chains stay, also where a trace makes them one.
        ("( (NP (NP-SBJ (NN tea)) (-NONE- *)))", "(NP (NP (NN tea)))"),
        # The outermost bracket: gone, or called TOP.
        ("(TOP (S (NN tea)))", "(S (NN tea))"),
        ("(S (NN tea))", "(S (NN tea))"),
        ("( (S (NN tea)) (. .))", "(TOP (S (NN tea)) (. .))"),
        ("( (NN tea))", "(TOP (NN tea))"),
        ("(NN tea)", "(TOP (NN tea))"),
        ("(ROOT-1 (S (NN tea)) (-NONE- *))", "(S (NN tea))"),
        ("( (S (NP (-NONE- *)) (-NONE- 0)))", None),
        ("(-NONE- *)", None),
    ],
)
def test_tree_becomes_what_parsers_are_scored_by(text, expected):
    assert plainly(text) == expected


@ANY
@given(PHRASES)
def test_what_is_plain_stays_as_it_is(tree):
    found = plain(tree)
    assert plain(found) == found
    assert found.words() == tree.words()


@ANY
@given(PHRASES, st.sampled_from(["-SBJ", "-TMP-2", "=3", "|X", ""]))
def test_functions_change_nothing(tree, behind):
    def with_functions(part):
        if part.word:
            return part
        return Tree(part.label + behind, tuple(map(with_functions, part.children)))

    assert plain(with_functions(tree)) == plain(tree)


@ANY
@given(PHRASES)
def test_every_bracket_but_the_outermost_root_stays(tree):
    found = plain(tree)
    if tree.label not in ROOTS:
        assert found == tree
