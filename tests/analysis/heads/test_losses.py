import dataclasses

import numpy as np
import pytest

from experiment.analysis.heads import Losses, ablate_layers, folded, keep_one, without
from experiment.analysis.heads.losses import pack
from experiment.analysis.sites import sites_of
from tests.analysis.heads.tiny import PAIRS, run
from tests.analysis.untrained import untrained


@pytest.fixture(scope="module")
def losses():
    return Losses(run(), PAIRS, tokens_per_batch=80)


@pytest.fixture(scope="module")
def one_by_one(losses):
    return np.array([losses.of(without(losses.gates, [head])) for head in losses.heads])


def test_one_call_finds_what_a_call_a_head_finds(losses, one_by_one):
    np.testing.assert_allclose(losses.without_each(), one_by_one, rtol=1e-5)
    assert len(np.unique(one_by_one.round(6))) == 12  # no head is like another


def test_sets_that_have_nothing_in_common_are_asked_together(losses, one_by_one):
    sets = [without(losses.gates, [head]) for head in losses.heads]
    many = [*sets, losses.gates, *sets]  # more than at once
    found = losses.under(many)
    np.testing.assert_allclose(found[:12], one_by_one, rtol=1e-5)
    np.testing.assert_allclose(found[13:], one_by_one, rtol=1e-5)
    assert found[12] == pytest.approx(losses.of(losses.gates), rel=1e-5)


def test_heads_already_removed_stay_so(losses):
    first, second = losses.heads[0], losses.heads[-1]
    found = losses.without_each(without(losses.gates, [first]))
    both = losses.of(without(losses.gates, [first, second]))
    assert found[-1] == pytest.approx(both, rel=1e-5)
    assert found[0] == pytest.approx(losses.of(without(losses.gates, [first])), rel=1e-5)


def test_gate_at_zero_is_the_heads_rows_of_the_output_projection_at_zero(losses):
    head = losses.heads[5]
    gates = without(losses.gates, [head])
    params = folded(run().params, gates)
    rows = params[head.site.path[0]][head.site.path[1]][head.site.path[2]]["out"]["kernel"]
    assert not rows[head.number].any() and rows[1 - head.number].all()
    edited = Losses(dataclasses.replace(run(), params=params), PAIRS, tokens_per_batch=80)
    assert edited.of(losses.gates) == pytest.approx(losses.of(gates), rel=1e-5)


def test_loss_is_the_evaluators(losses):
    """Which has each pair in a row of its own."""
    pairs = [pair for pair in PAIRS if pair[0]]
    nll = run().evaluator().scores(run().params, pairs)["nll"]
    assert Losses(run(), pairs).of(losses.gates) == pytest.approx(nll, rel=1e-5)


def test_every_pair_is_packed_once():
    packed = pack(run().vocabulary, PAIRS, row_length=4, tokens_per_batch=1)
    longest = max(len(run().vocabulary.encode(text)) for pair in PAIRS for text in pair)
    assert packed.batches.source.shape[1:] == (1, longest)
    sentences = packed.batches.target_segments.max(-1).sum()
    assert sentences == len(PAIRS)
    assert (packed.batches.target_segments > 0).sum() == packed.tokens


def test_logits_of_the_larger_stacks_heads_are_bounded(monkeypatch):
    """Of two stacks the decoder's has 2/3 of the heads; of one it has all of them."""
    asked = {}

    def packed(vocabulary, pairs, *, row_length, tokens_per_batch):
        asked[len(asked)] = tokens_per_batch
        return pack(vocabulary, pairs, row_length=row_length, tokens_per_batch=tokens_per_batch)

    monkeypatch.setattr("experiment.analysis.heads.losses.pack", packed)
    monkeypatch.setattr("experiment.analysis.heads.losses._LOGITS", {})
    sizes = {"num_layers": 6, "num_heads": 8}
    for system, heads in (("transformer", 96), ("decoder_only", 48)):
        its = untrained(system=system, **sizes)
        Losses(its, PAIRS)
        assert asked.pop(0) == 2**26 // (its.vocabulary.size * heads)


def test_no_pairs_are_refused():
    with pytest.raises(ValueError, match=r"^There must be at least one sentence pair"):
        Losses(run(), [])


def test_whole_layers_cost_what_all_of_their_heads_cost(losses):
    table = ablate_layers(run(), PAIRS)
    site = sites_of(losses.gates)[3]
    assert list(table.loc[3, ["kind", "layer"]]) == [site.kind, site.layer + 1]
    both = losses.of(without(losses.gates, [h for h in losses.heads if h.site == site]))
    assert table.loc[3, "loss"] == pytest.approx(both, rel=1e-5)


def test_best_head_is_the_one_without_which_its_site_loses_more(losses):
    """Of two heads, keeping one is removing the other."""
    table, found = keep_one(run(), PAIRS), losses.without_each()
    for number, row in enumerate(table.itertuples()):
        its = found[2 * number : 2 * number + 2]
        assert row.head == 1 + int(its.argmax()) and row.loss == pytest.approx(its.min(), rel=1e-5)
    chosen = [2 * number + 2 - row.head for number, row in enumerate(table.itertuples())]
    others = without(losses.gates, [losses.heads[index] for index in chosen])
    assert table.attrs["all"] == pytest.approx(losses.of(others), rel=1e-5)
