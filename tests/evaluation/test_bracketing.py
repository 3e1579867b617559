import pytest
from hypothesis import given, settings

from experiment.data.corpora import Tree, linearised
from experiment.data.corpora.trees import parsed
from experiment.evaluation import parsing_scores, tagging_scores, tree_scores
from experiment.evaluation.bracketing import Counts, brackets, compared
from tests.data.corpora.made_up_trees import PHRASES

ANY = settings(derandomize=True, deadline=None, max_examples=200)


def tree(text):
    (found,) = parsed([text], "text")
    return found


def counts(output, gold):
    return compared(tree(output), tree(gold))


# The sentences of evalb's own sample that it scores, with the labels and words of a language: as it
# says, matched, in the output, in the gold tree. Its gold tree is the same every time.
GOLD = "(S (NP (P we)) (VP (Q sell) (NP (R old) (T cars))))"
EVALB = [
    (GOLD, (4, 4, 4)),
    ("(S (NP (P we)) (VP (Q sell) (PP (R old) (T cars))))", (3, 4, 4)),
    ("(S (NP (P we)) (VP (Q sell) (NP (R old) (U cars))))", (4, 4, 4)),
    ("(S (PP (P we)) (VP (Q sell) (NP (R old) (U cars))))", (3, 4, 4)),
    ("(S (NP (P we)) (VP (Q sell) (R old) (NP (T cars))))", (3, 4, 4)),
    ("(S (NP (P we) (Q sell)) (NP (R old) (T cars)))", (2, 3, 4)),
    ("(S (P we) (Q sell) (R old) (T cars))", (1, 1, 4)),
    ("(S (NP (P we)) (VP (Q sell) (NP (NP (R old) (T cars)))))", (4, 5, 4)),
    ("(S (NP (P we)) (VP (Q sell) (NP (NP (NP (NP (NP (R old) (T cars))))))))", (4, 8, 4)),
    ("(TOP (S (NP (P we)) (VP (Q sell) (NP (R old) (T cars)))))", (4, 4, 4)),
]


@pytest.mark.parametrize(("output", "expected"), EVALB)
def test_brackets_are_counted_as_evalb_counts_its_sample(output, expected):
    assert counts(output, GOLD) == expected


def test_figures_of_all_sentences_are_those_of_evalb():
    # It scores 17: those above; one without brackets; five that are like the first when functions,
    # traces and the case of words are left out of account; one of 34 brackets, all right. Its
    # summary: recall 87.76, precision 90.53, complete match 52.94.
    long = f"(S {' '.join(11 * ['(NP (P we)) (VP (Q sell) (NP (R old) (T cars)))'])})"
    # What has no bracket is no tree here; TOP over the words has as many that count.
    none = "(TOP (P we) (Q sell) (R old) (T cars))"
    outputs = [*(output for output, _ in EVALB), none, *5 * [GOLD], long]
    golds = [*16 * [GOLD], long]
    scores = tree_scores([tree(each) for each in outputs], [tree(each) for each in golds])
    assert round(scores["labelled_recall"], 2) == 87.76
    assert round(scores["labelled_precision"], 2) == 90.53
    assert round(scores["complete_match"], 2) == 52.94
    assert scores["labelled_f1"] == pytest.approx(2 * 86 / (98 + 95) * 100)


def test_punctuation_is_taken_out_before_brackets_are_compared():
    # Words that count: Tea(0) ice(1) cools(2).
    # Gold, with its punctuation gone: S 0-3, NP 0-2, NP 0-1, NP 1-2, VP 2-3. PRN held a comma only.
    gold = "(S (NP (NP (N Tea)) (PRN (, ,)) (NP (N ice))) (: --) (VP (V cools)) (. .) ('' ''))"
    # The full stop inside the VP, the comma in the first NP: no difference. S 0-3, NP 0-2, NP 0-1,
    # and, as there is no second NP, VP 2-3. ADJP holds the dash: it does not count.
    output = "(S (NP (NP (N Tea) (, ,)) (N ice)) (ADJP (: --)) (VP (V cools) (. .) ('' '')))"
    assert counts(output, gold) == Counts(matched=4, output=4, gold=5)


def test_tags_of_the_gold_tree_say_what_punctuation_is():
    # The output takes the comma for a word and the word for a comma, but the words are the same.
    gold = "(S (NP (N a) (, ,)) (V b))"
    output = "(S (NP (, a)) (XX ,) (, b))"
    assert counts(output, gold) == Counts(matched=2, output=2, gold=2)


def test_prt_is_advp():
    # give(0) it(1) up(2) now(3).
    gold = "(VP (V give) (NP (N it)) (PRT (R up)) (ADVP (R now)))"
    output = "(VP (V give) (NP (N it)) (ADVP (R up)) (PRT (R now)))"
    assert counts(output, gold) == Counts(matched=4, output=4, gold=4)


def test_bracket_counts_as_often_as_it_is_there():
    # NP 0-2 three times and twice; PP 1-2 once; in the output NP 1-2 in its place.
    gold = "(S (NP (NP (NP (N a) (PP (N b))))))"
    output = "(S (NP (NP (N a) (NP (N b)))))"
    assert counts(output, gold) == Counts(matched=3, output=4, gold=5)


@pytest.mark.parametrize("root", ["TOP", "ROOT", "S1"])
def test_bracket_around_the_sentence_does_not_count(root):
    assert counts(f"({root} (S (N a)) (. .))", "(TOP (S (N a)) (. .))") == Counts(1, 1, 1)


def test_sentence_of_punctuation_has_no_brackets():
    assert counts("(S (. .))", "(NP (. .))") == Counts(0, 0, 0)
    gold = [tree("(NP (. .))")]
    scores = tree_scores([tree("(S (. .))")], gold)
    assert scores == {
        "labelled_f1": 0.0,
        "labelled_precision": 0.0,
        "labelled_recall": 0.0,
        "complete_match": 100.0,  # nothing is missing, nothing too much
    }


@ANY
@given(PHRASES)
def test_tree_matches_itself(gold):
    found = compared(gold, gold)
    assert found.matched == found.output == found.gold
    everything = brackets(gold, [True] * len(gold.words()))
    assert everything.total() >= found.gold


@ANY
@given(PHRASES)
def test_flat_tree_has_one_bracket_that_can_match(gold):
    flat = Tree("S", tuple(gold.tags()))
    found = compared(flat, gold)
    assert found.output <= 1
    assert found.matched <= found.output


def test_scores_of_sequences_worked_out_by_hand():
    sources = ["the cat sleeps .", "go away", "she , he"]
    golds = [
        "(S (NP XX XX )NP (VP XX )VP . )S",  # S 0-3, NP 0-2, VP 2-3
        "(S (VP XX (PRT XX )PRT )VP )S",  # S 0-2, VP 0-2, ADVP 1-2
        "(NP (NP XX )NP , (NP XX )NP )NP",  # NP 0-2, NP 0-1, NP 1-2
    ]
    outputs = [
        golds[0],  # 3 of 3, of 3
        "(S (VP XX (ADVP XX )S",  # not closed; S 0-2, VP 0-2, ADVP 1-2: 3 of 3, of 3
        "(NP (NP XX , XX )NP",  # NP 0-2 twice, of which one is there: 1 of 2, of 3
    ]
    scores = parsing_scores(sources, outputs, golds)
    assert scores["labelled_precision"] == pytest.approx(100 * 7 / 8)
    assert scores["labelled_recall"] == pytest.approx(100 * 7 / 9)
    assert scores["labelled_f1"] == pytest.approx(100 * 14 / 17)
    assert scores["complete_match"] == pytest.approx(100 * 2 / 3)
    assert scores["repaired"] == 2
    assert scores["labelled_f1_signature"] == (
        "labelled|roots:not-counted|without:, : `` '' .|ADVP=PRT|unary:counted"
    )


def test_of_tagged_trees_the_tags_are_scored_too():
    golds = ["(S (NP DT NN )NP (VP VBZ )VP . )S", "(S (VP VB (PRT RP )PRT )VP )S"]
    outputs = ["(S (NP DT NN )NP (VP NNS )VP . )S", "(S (VP VB )VP )S"]  # the last word has none
    scores = parsing_scores(["the cat sleeps .", "go away"], outputs, golds, tagged=True)
    assert scores["tag_accuracy"] == pytest.approx(100 * 4 / 6)
    # S, NP and VP of the first; S of the second, where VP is shorter and PRT is not there.
    assert scores["labelled_recall"] == pytest.approx(100 * 4 / 6)
    assert scores["labelled_precision"] == pytest.approx(100 * 4 / 5)
    assert scores["repaired"] == 1


@ANY
@given(PHRASES)
def test_sequences_are_scored_as_their_trees(gold):
    source, tokens = " ".join(gold.words()), " ".join(linearised(gold))
    scores = parsing_scores([source], [tokens], [tokens])
    assert (scores["complete_match"], scores["repaired"]) == (100, 0)


@pytest.mark.parametrize(
    ("source", "reference"),
    [("a b", "(S XX )S"), ("a", "(S XX XX )S"), ("a", "(S XX"), ("a", "ein Satz"), ("", "")],
)
def test_reference_that_is_no_tree_of_its_sentence_is_refused(source, reference):
    with pytest.raises(ValueError) as refused:
        parsing_scores(["a", source], ["(S XX )S", ""], ["(S XX )S", reference])
    assert str(refused.value) == (
        f"Reference 2 must be a tree over the {len(source.split())} words of its sentence, such as "
        f"'(S (NP XX XX )NP (VP XX )VP . )S'; it is {reference!r}."
    )


def test_tags_are_scored_by_the_word():
    sources = ["the cat sleeps .", "go away", "she sleeps"]
    golds = ["DT NN VBZ .", "VB RB", "PRP VBZ"]
    # 3 of 4; 1 of 2 with a tag missing; 2 of 2 with a tag too many.
    scores = tagging_scores(sources, ["DT NN NNS .", "VB", "PRP VBZ ."], golds)
    assert scores == {"tag_accuracy": 75.0, "complete_match": 0.0, "misaligned": 2}
    assert tagging_scores(sources, golds, golds) == {
        "tag_accuracy": 100.0,
        "complete_match": 100.0,
        "misaligned": 0,
    }


def test_reference_without_a_tag_a_word_is_refused():
    with pytest.raises(ValueError) as refused:
        tagging_scores(["a b"], ["A"], ["A"])
    assert str(refused.value) == "Reference 1 must have one tag a word: 1 tags, 2 words."


@pytest.mark.parametrize("scores", [parsing_scores, tagging_scores])
def test_nothing_cannot_be_scored(scores):
    with pytest.raises(ValueError, match="at least one sentence to score; there is none"):
        scores([], [], [])
