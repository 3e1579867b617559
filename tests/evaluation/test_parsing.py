import os
import pathlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiment.data import Tree, bracketed, linearised, without_words
from experiment.data.corpora import plain, treebank_folder
from experiment.data.corpora.linearised import worded
from experiment.data.corpora.trees import parsed, read_trees
from experiment.evaluation import delinearised, is_repaired, right_branching
from experiment.evaluation.bracketing import parsing_scores
from experiment.evaluation.parsing import aligned
from tests.data.corpora.made_up_trees import LABELS, PHRASES, WORDS

REAL = os.environ.get("ATTENTION_LAB_TREEBANK", "")
ANY = settings(derandomize=True, deadline=None, max_examples=300)
TOKENS = st.lists(
    st.one_of(
        st.builds(lambda sign, label: sign + label, st.sampled_from("()"), LABELS),
        st.sampled_from(["XX", ",", ".", "``", "''", ":"]),
        st.sampled_from(["(", ")", "the", "(S)", "((", "(NP)X", "XX)", "<0x41>", "-LRB-"]),
    ),
    max_size=25,
)


def repaired(tokens, words):
    tokens, words = tokens.split(), words.split()
    tree = delinearised(tokens, words)
    assert is_repaired(tree, tokens)
    return bracketed(tree)


def test_sequence_of_the_treebanks_first_words_is_the_tree_again():
    tokens = ["(S", "(NP", "XX", "XX", ",", "XX", ")NP", "(VP", "XX", ")VP", ".", ")S"]
    tree = delinearised(tokens, ["Dogs", "and", ",", "cats", "sleep", "."])
    assert bracketed(tree) == ("(S (NP (XX Dogs) (XX and) (, ,) (XX cats)) (VP (XX sleep)) (. .))")
    assert not is_repaired(tree, tokens)


def test_tags_of_a_tagged_sequence_are_those_of_the_tree():
    tokens = ["(S", "(NP", "NNS", "CC", ",", "NNS", ")NP", "(VP", "VBP", ")VP", ".", ")S"]
    tree = delinearised(tokens, ["Dogs", "and", ",", "cats", "sleep", "."], tagged=True)
    assert bracketed(tree) == (
        "(S (NP (NNS Dogs) (CC and) (, ,) (NNS cats)) (VP (VBP sleep)) (. .))"
    )
    assert not is_repaired(tree, tokens, tagged=True)
    repaired = delinearised(["(S", "NN", "(", "XX)", "<0x41>", "NN"], ["a", "b", "c"], tagged=True)
    assert bracketed(repaired) == "(S (NN a) (<0x41> b) (NN c))"


@pytest.mark.parametrize(
    ("tokens", "words", "tree"),
    [
        # A closing bracket without an open one of its label is dropped ...
        ("(S XX )NP )VP )S", "a", "(S (XX a))"),
        (")S (S XX )S", "a", "(S (XX a))"),
        # ... and another closes what is open inside.
        ("(S (NP XX (PP XX )S", "a b", "(S (NP (XX a) (PP (XX b))))"),
        ("(S (NP (NP XX )NP XX )S", "a b", "(S (NP (NP (XX a)) (XX b)))"),
        # Not closed: closed at the end.
        ("(S (NP XX", "a", "(S (NP (XX a)))"),
        # No words, no bracket.
        ("(S (NP )NP XX (VP (PP )PP )VP )S", "a", "(S (XX a))"),
        # Too many words, too few.
        ("(S XX XX XX )S", "a", "(S (XX a))"),
        ("(S (NP XX )NP )S", "a b c", "(S (NP (XX a)) (XX b) (XX c))"),
        ("(S (NP XX", "a b", "(S (NP (XX a)) (XX b))"),
        # What is no token of a tree.
        ("(S the ( XX ) -LRB- )S", "a", "(S (XX a))"),
        ("(S (( (S) (NP)X XX )( )S", "a", "(S (XX a))"),
        # Not one bracket.
        ("(S XX )S (S XX )S", "a b", "(TOP (S (XX a)) (S (XX b)))"),
        ("XX (S XX )S XX", "a b c d", "(TOP (XX a) (S (XX b)) (XX c) (XX d))"),
        ("XX", "a b", "(TOP (XX a) (XX b))"),
        ("", "a b", "(TOP (XX a) (XX b))"),
        ("(S )S", "a", "(TOP (XX a))"),
    ],
)
def test_repair_follows_its_rules(tokens, words, tree):
    assert repaired(tokens, words) == tree


@pytest.mark.parametrize(
    ("said", "words", "meant"),
    [
        (
            "(S (NP the cat )NP (VP sleeps )VP )S",
            "the cat sleeps",
            "(S (NP XX XX )NP (VP XX )VP )S",
        ),
        # Another word in its place.
        (
            "(S (NP the dog )NP (VP sleeps )VP )S",
            "the cat sleeps",
            "(S (NP XX XX )NP (VP XX )VP )S",
        ),
        # A word that was left out goes where the one before it is, the first with the second.
        ("(S (NP the )NP (VP sleeps )VP )S", "the cat sleeps", "(S (NP XX XX )NP (VP XX )VP )S"),
        ("(S (NP cat )NP (VP sleeps )VP )S", "the cat sleeps", "(S (NP XX XX )NP (VP XX )VP )S"),
        ("(S (NP a )NP (VP b )VP )S", "x y b z", "(S (NP XX XX )NP (VP XX XX )VP )S"),
        # One too many is dropped, wherever it is.
        (
            "(S (NP the the cat )NP (VP sleeps )VP )S",
            "the cat sleeps",
            "(S (NP XX XX )NP (VP XX )VP )S",
        ),
        (
            "(S (NP the cat )NP (VP sleeps (NP x )NP )VP )S",
            "the cat sleeps",
            "(S (NP XX XX )NP (VP XX (NP )NP )VP )S",
        ),
        # Punctuation stays, and stands for another mark.
        ("(S (VP go )VP . )S", "go !", "(S (VP XX )VP . )S"),
        ("(S . )S", "go !", "(S XX . )S"),
        # The same words twice, and marks that are called otherwise than they are written.
        ("(S (A Who )A . (B Who )B . )S", "Who ? Who .", "(S (A XX )A . (B XX )B . )S"),
        ("(S (A cat )A (B cat )B )S", "dog cat", "(S (A XX )A (B XX )B )S"),
        (
            "(S (A a )A (B x )B (C c )C (D d )D )S",
            "a b c d",
            "(S (A XX )A (B XX )B (C XX )C (D XX )D )S",
        ),
        # One left out, and later one too many.
        (
            "(S (A a )A (B c )B (C d )C (D e )D (E e )E )S",
            "a b c d e",
            "(S (A XX XX )A (B XX )B (C XX )C (D )D (E XX )E )S",
        ),
        # Nothing was said.
        ("(S )S", "a b", "(S )S"),
        ("", "a", ""),
    ],
)
def test_words_that_are_said_stand_for_the_words_that_are_there(said, words, meant):
    assert aligned(said.split(), words.split()) == meant.split()


@ANY
@given(TOKENS, st.lists(WORDS, min_size=1, max_size=8))
def test_each_word_is_meant_once_if_any_is_said(tokens, words):
    meant = aligned(tokens, words)
    leaves = [token for token in meant if "(" not in token and ")" not in token]
    was_said = any("(" not in token and ")" not in token for token in tokens)
    assert len(leaves) == (len(words) if was_said else 0)
    brackets = [token for token in tokens if "(" in token or ")" in token]
    assert [token for token in meant if "(" in token or ")" in token] == brackets


@ANY
@given(PHRASES)
def test_a_worded_tree_means_itself(tree):
    tokens = aligned(worded(tree), tree.words())
    assert len(tokens) == len(linearised(tree))
    assert without_words(tokens) == without_words(worded(tree))


@pytest.mark.skipif(not REAL, reason="ATTENTION_LAB_TREEBANK names no sample of the treebank")
def test_every_worded_tree_of_the_sample_means_itself():
    for paths in treebank_folder.find_files(REAL).values():
        for tree in filter(None, (plain(tree) for path in paths for tree in read_trees(path))):
            assert aligned(worded(tree), tree.words()) == without_words(worded(tree))


def test_tree_called_top_is_itself():
    tokens = ["(TOP", "(S", "XX", ")S", ".", ")TOP"]
    assert not is_repaired(delinearised(tokens, ["a", "."]), tokens)


def test_thousands_of_brackets_within_each_other_are_a_tree():
    tokens = [*5_000 * ["(NP"], "XX", *5_000 * [")NP"]]
    tree = delinearised(tokens, ["a"])
    assert linearised(tree) == tokens
    assert bracketed(tree) == f"{5_000 * '(NP '}(XX a){5_000 * ')'}"


@ANY
@given(PHRASES)
def test_what_is_linearised_comes_back_exactly(tree):
    tokens, words = linearised(tree), tree.words()
    found = delinearised(tokens, words)
    assert found.words() == words
    assert linearised(found) == tokens
    assert not is_repaired(found, tokens)
    assert [tag.label for tag in found.tags()] == [
        tag.label if tag.label in (",", ":", "``", "''", ".") else "XX" for tag in tree.tags()
    ]


@ANY
@given(PHRASES)
def test_a_tagged_tree_comes_back_whole(tree):
    tokens = linearised(tree, tagged=True)
    found = delinearised(tokens, tree.words(), tagged=True)
    assert found == tree
    assert not is_repaired(found, tokens, tagged=True)


@ANY
@given(TOKENS, st.lists(WORDS, min_size=1, max_size=8), st.booleans())
def test_whatever_is_said_there_is_a_plain_tree_over_exactly_the_words(tokens, words, tagged):
    tree = delinearised(tokens, words, tagged=tagged)
    assert tree.words() == words
    again = linearised(tree, tagged=tagged)
    assert delinearised(again, words, tagged=tagged) == tree  # repaired, it needs no repair
    assert is_repaired(tree, tokens, tagged=tagged) == (again != tokens)
    assert plain(tree).words() == words
    assert list(parsed([bracketed(tree)], "")) == [tree]  # as a person reads it


@pytest.mark.parametrize(
    ("words", "tree"),
    [
        ("a", "(S XX )S"),
        ("a b", "(S XX XX )S"),
        ("a b c", "(S XX (VP XX XX )VP )S"),
        ("a b c , ''", "(S XX (VP XX XX )VP XX XX )S"),
        (". ''", "(S XX XX )S"),
        ("a .", "(S XX XX )S"),
    ],
)
def test_right_branching_tree(words, tree):
    found = right_branching(words.split())
    assert found.words() == words.split()
    assert " ".join(linearised(found)) == tree


@pytest.mark.skipif(
    not REAL, reason="ATTENTION_LAB_TREEBANK names no folder with wsj_0001.mrg, ..."
)
def test_right_branching_trees_of_the_sample_score_what_the_documents_say():
    files = treebank_folder.find_files(REAL)["test"]
    trees = [plain(tree) for path in files for tree in read_trees(pathlib.Path(path))]
    words = [tree.words() for tree in trees if tree is not None]
    sources = [" ".join(each) for each in words]
    references = [" ".join(linearised(tree)) for tree in trees if tree is not None]

    def scores(tree_of):
        outputs = [" ".join(linearised(tree_of(each))) for each in words]
        return parsing_scores(sources, outputs, references)

    found = scores(right_branching)
    names = ("labelled_f1", "labelled_precision", "labelled_recall")
    assert [round(found[name], 1) for name in names] == [16.7, 15.4, 18.3]
    flat = scores(lambda each: Tree("S", tuple(Tree("XX", (), word) for word in each)))
    assert round(flat["labelled_f1"], 1) == 9.6
