"""Maps of a run: the weights of its model, cut to each pair, with the right words on the axes."""

import numpy as np
import pytest

from experiment.analysis.attention import (
    Map,
    encoder_map,
    heads_towards,
    maps_of,
    most_unlike,
    tidy,
    with_translations,
)
from experiment.analysis.sentences import batch_of
from experiment.analysis.sites import Site
from experiment.analysis.weights import attention_weights

PAIRS = [("the cat sat on the mat", "die Katze saß"), ("the dog", "der Hund auf der Matte")]


@pytest.fixture(scope="module")
def maps(run):
    return maps_of(run, PAIRS)


def test_maps_are_the_models_weights_without_padding(run, maps):
    weights = attention_weights(run.model, run.params, batch_of(run.vocabulary, PAIRS))
    for row, of_pair in enumerate(maps):
        for site, found in of_pair.items():
            heads, queries, keys = found.weights.shape
            assert (heads, queries, keys) == (2, len(found.queries), len(found.keys))
            np.testing.assert_array_equal(found.weights, weights[site][row, :, :queries, :keys])
            np.testing.assert_allclose(found.weights.sum(-1), 1.0, rtol=1e-5)


def test_axes_are_what_asks_and_what_is_looked_at(run, maps):
    encoder, decoder, cross = (maps[0][Site(kind, 0)] for kind in ("encoder", "decoder", "cross"))
    pieces = run.vocabulary.pieces
    assert encoder.queries == encoder.keys == pieces(run.vocabulary.encode(PAIRS[0][0]))
    assert cross.keys == encoder.keys
    assert cross.queries == pieces(run.vocabulary.encode(PAIRS[0][1]))
    assert decoder.keys == decoder.queries == ["<s>", *cross.queries[:-1]]


def test_words_have_the_weights_of_their_pieces(run, maps):
    of_words = maps_of(run, PAIRS, words=True)[0][Site("encoder", 0)]
    assert of_words.queries == [*PAIRS[0][0].split(), "</s>"]
    assert of_words.name == "encoder self-attention, layer 1 of 1"
    pieces = maps[0][Site("encoder", 0)]
    end = pieces.weights[:, -1, -1]  # one piece looking at one piece
    np.testing.assert_allclose(of_words.weights[:, -1, -1], end, rtol=1e-6)
    np.testing.assert_allclose(of_words.weights.sum(-1), 1.0, rtol=1e-5)


def test_table_has_a_row_for_every_weight(maps):
    table = tidy(maps[1])
    assert len(table) == sum(found.weights.size for found in maps[1].values())
    found = maps[1][Site("cross", 0)]
    row = table[
        (table["kind"] == "cross") & (table["head"] == 2) & (table["layer"] == 1)
        & (table["query place"] == 1) & (table["key place"] == 3)
    ]  # fmt: skip
    assert row[["query", "key"]].values.tolist() == [[found.queries[1], found.keys[3]]]
    assert row["weight"].tolist() == [found.weights[1, 1, 3]]


def test_target_may_be_the_runs_own_translation(run):
    sources = [source for source, _ in PAIRS]
    own = with_translations(run, sources)
    assert [source for source, _ in own] == sources
    assert [target for _, target in own] == run.translator().best(run.params, sources)


def test_figures_look_into_the_only_layer_there_is(run):
    found = encoder_map(run, "the cat sat")
    assert (found.site, found.queries) == (Site("encoder", 0), ["the", "cat", "sat", "</s>"])
    with pytest.raises(ValueError, match="layer=1 must be from 0 to 0"):
        encoder_map(run, "the cat sat", layer=1)


LAW = np.zeros((3, 3, 3))
LAW[:, :, 1] = 1  # all look at the second word ...
LAW[0, 2] = [0.2, 0.7, 0.1]
LAW[2] = [[0.9, 0.1, 0], [0.5, 0.5, 0], [0.5, 0.3, 0.2]]  # ... but for the third head
FOUND = Map(Site("encoder", 0), ["The", "Law", "its"], ["The", "Law", "its"], LAW, 1)


def test_heads_are_ordered_by_what_one_word_gives_another():
    assert heads_towards(FOUND, "its", "Law") == [2, 1, 3]


def test_heads_most_unlike_differ_most_in_total_variation():
    assert most_unlike(FOUND) == (2, 3)


def test_words_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="word='it' must be one of The, Law, its"):
        FOUND.place("it")
    with pytest.raises(ValueError, match="key='it' must be one of The, Law, its"):
        heads_towards(FOUND, "its", "it")
