import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiment.data.corpora import Tree, bracketed, read_trees
from experiment.data.corpora.trees import MAX_DEPTH, parsed

WORDS = st.text(
    st.characters(exclude_characters="() \t\n\r", exclude_categories=["Cs"]), min_size=1, max_size=4
)
TREES = st.recursive(
    st.builds(lambda label, word: Tree(label, (), word), WORDS, WORDS),
    lambda trees: st.builds(
        lambda label, children: Tree(label, tuple(children)),
        WORDS,
        st.lists(trees, min_size=1, max_size=3),
    ),
    max_leaves=8,
)
ANY = settings(derandomize=True, deadline=None, max_examples=300)


def tag(label, word):
    return Tree(label, (), word)


def test_tree_over_several_lines_and_its_words(tmp_path):
    path = tmp_path / "trees.mrg"
    path.write_text(
        "\n( (S \n  (NP (DT the) (NN cat) )\n  (VP (VBZ sleeps))  (. .) ))\n(X (Y z))\n"
    )
    cat = Tree("NP", (tag("DT", "the"), tag("NN", "cat")))
    sentence = Tree("S", (cat, Tree("VP", (tag("VBZ", "sleeps"),)), tag(".", ".")))
    assert list(read_trees(path)) == [Tree("", (sentence,)), Tree("X", (tag("Y", "z"),))]
    assert sentence.words() == ["the", "cat", "sleeps", "."]
    assert [tree.label for tree in sentence.tags()] == ["DT", "NN", "VBZ", "."]
    assert bracketed(sentence) == "(S (NP (DT the) (NN cat)) (VP (VBZ sleeps)) (. .))"


def test_chain_of_single_children_and_words_that_stand_for_brackets_are_kept(tmp_path):
    text = "(S (NP (NP (PRN (-LRB- -LRB-)))) (X -RRB-))"
    assert [bracketed(tree) for tree in parsed([text], "trees")] == [text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "(S (A b)\n",
            "line 1, column 1: the tree that begins here is never closed: 1 closing brackets are "
            "missing at the end.",
        ),
        (
            "(S (A b))\n (S (A b))) ",
            "line 2, column 11: a bracket is closed outside of any tree. Take it out.",
        ),
        ("(S (A b)) c", "line 1, column 11: 'c' stands outside of any tree. Take it out."),
        (
            "()",
            "line 1, column 1: the bracket that begins here is empty. It must hold a label and a "
            "word, or a label and brackets.",
        ),
        (
            "(S\n  (NP))",
            "line 2, column 3: the bracket that begins here is empty. It must hold a label and a "
            "word, or a label and brackets.",
        ),
        ("(S ((A b)))", "line 1, column 4: the bracket that begins here has no label."),
        (
            "(A b c)",
            "line 1, column 6: 'c' is a second word in a bracket that has 'b'. Give each word a "
            "bracket of its own.",
        ),
        (
            "(S (A b) c)",
            "line 1, column 10: 'c' stands among brackets. A bracket must hold a label and a word, "
            "or a label and brackets.",
        ),
        (
            "(S b (A c))",
            "line 1, column 10: a bracket stands beside the word 'b'. A bracket must hold a label "
            "and a word, or a label and brackets.",
        ),
        (
            (MAX_DEPTH + 1) * "(S ",
            "line 1, column 1501: more than 500 brackets in each other.",
        ),
    ],
)
def test_malformed_tree_is_refused_with_its_place(tmp_path, text, message):
    path = tmp_path / "trees.mrg"
    path.write_text(text)
    with pytest.raises(ValueError) as refused:
        list(read_trees(path))
    assert str(refused.value) == f"{path}, {message}"


@pytest.mark.parametrize("text", ["", "\n", " \n\t\n"])
def test_file_without_a_tree_is_refused(tmp_path, text):
    path = tmp_path / "trees.mrg"
    path.write_text(text)
    with pytest.raises(ValueError) as refused:
        list(read_trees(path))
    assert str(refused.value) == f"{path} must have at least one tree; it has none."


@ANY
@given(TREES)
def test_what_is_written_is_read_again(tree):
    assert list(parsed([bracketed(tree)], "trees")) == [tree]


@ANY
@given(st.text(st.sampled_from("()AB \t\n\u00a0"), max_size=30))
def test_any_brackets_are_trees_that_hold_every_word_or_refused_in_one_line(text):
    lines = text.split("\n")
    try:
        trees = list(parsed(lines, "trees"))
    except ValueError as error:
        assert str(error).startswith("trees, line ")
        assert "\n" not in str(error)
        return
    spaced = text.replace("(", " ( ").replace(")", " ) ").replace("\n", " ").replace("\t", " ")
    again = " ".join(bracketed(tree) for tree in trees).replace("(", " ( ").replace(")", " ) ")
    assert [*filter(None, again.split(" "))] == [*filter(None, spaced.split(" "))]
