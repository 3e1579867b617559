import dataclasses

import jax
import numpy as np
import pytest

from experiment.analysis.plots import draw_swaps
from experiment.analysis.positions import (
    added_tables,
    rearranged,
    scorer,
    swaps,
    with_scheme,
    with_tables,
)
from experiment.analysis.sentences import batch_of
from model.transformer import sinusoidal_positions
from tests.analysis.positions.made_up_run import PAIRS, run_of
from tests.analysis.untrained import untrained

EVERY = np.arange(32)


@pytest.fixture(scope="module")
def run():
    return run_of("sinusoidal")


@pytest.fixture(scope="module")
def losses():
    scorers = {}

    def losses_of(run):
        score = scorers.setdefault(run.config.model, scorer(run.model))
        return score(run.params, batch_of(run.vocabulary, PAIRS)).nll

    return losses_of


def test_its_own_scheme_leaves_a_run_as_it_is(run):
    assert with_scheme(run, "sinusoidal") is run


def test_there_and_back_changes_nothing(run, losses):
    back = with_scheme(with_scheme(run, "learned"), "sinusoidal")
    assert jax.tree.structure(back.params) == jax.tree.structure(run.params)
    np.testing.assert_array_equal(losses(back), losses(run))


def test_sinusoids_as_a_table_are_the_sinusoids(run, losses):
    as_table = rearranged(run, EVERY)
    assert as_table.config.model.positions == "learned"
    np.testing.assert_allclose(losses(as_table), losses(run), rtol=1e-6)


def test_tables_that_are_not_trained_say_nothing(run, losses):
    untold = losses(with_scheme(run, "none"))
    np.testing.assert_allclose(losses(with_scheme(run, "learned")), untold, rtol=1e-6)
    np.testing.assert_allclose(losses(with_scheme(run, "relative")), untold, rtol=1e-6)


@pytest.mark.parametrize("scheme", ["none", "rotary", "alibi"])
def test_another_scheme_changes_the_loss(run, losses, scheme):
    assert np.abs(losses(with_scheme(run, scheme)) - losses(run)).min() > 1e-4


def test_positions_moved_are_those_of_later_tokens(run, losses):
    tables = dict.fromkeys(("source", "target"), sinusoidal_positions(40, 16)[5:37])
    np.testing.assert_array_equal(
        losses(rearranged(run, EVERY + 5)), losses(with_tables(run, tables))
    )
    assert np.abs(losses(rearranged(run, EVERY + 5)) - losses(run)).min() > 1e-4


def test_one_side_alone_is_rearranged(run):
    params = rearranged(run, EVERY[::-1], ("source",)).params
    own = sinusoidal_positions(32, 16)
    np.testing.assert_array_equal(params["source_positions"]["table"], own[::-1])
    np.testing.assert_array_equal(params["target_positions"]["table"], own)


def test_learned_tables_end_in_their_last_row():
    learned = run_of("learned")
    tables = added_tables(learned, 40)
    own = np.asarray(learned.params["source_positions"]["table"])
    np.testing.assert_array_equal(tables["source"][31:], np.tile(own[-1], (9, 1)))
    np.testing.assert_array_equal(tables["source"][:32], own)


def test_what_adds_nothing_cannot_be_rearranged():
    with pytest.raises(ValueError, match="'rotary' must be sinusoidal or learned"):
        rearranged(run_of("rotary"), EVERY)


def test_a_changed_run_translates(run):
    decode = dataclasses.replace(run.config.decode, beam_size=1)
    lines = [source for source, _ in PAIRS[:1]]
    by_table, own = (
        each.translator(decode).best(each.params, lines) for each in (rearranged(run, EVERY), run)
    )
    assert by_table == own


def test_table_begins_with_the_run_as_trained(run, losses):
    found = swaps(run, PAIRS)
    assert found.change[0] == "sinusoidal, as trained"
    assert list(found.change[1:6]) == ["learned", "none", "rotary", "alibi", "relative"]
    tokens = scorer(run.model)(run.params, batch_of(run.vocabulary, PAIRS)).tokens
    assert found.nll[0] == pytest.approx(losses(run).sum() / tokens.sum())
    assert not found.duplicated(["change", "sides"]).any()
    exact, loss = draw_swaps(found).axes
    assert [bar.get_width() for bar in loss.patches] == pytest.approx(list(found.nll))
    assert len(exact.patches) == len(found)


def test_where_nothing_is_added_other_schemes_are_all():
    assert list(swaps(run_of("rotary"), PAIRS).sides.unique()) == ["source and target"]


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
@pytest.mark.parametrize(
    ("system", "side"), [("decoder_only", "target"), ("encoder_only", "source")]
)
def test_a_model_of_one_stack_has_one_side(system, side, positions):
    its = untrained(system=system, positions=positions, max_positions=32)
    assert list(added_tables(its, 40)) == [side]
    found = swaps(its, PAIRS).set_index("change")
    assert list(found.sides.unique()) == [side]
    assert not found.index.has_duplicates
    assert found.nll["moved by 1"] != found.nll[f"{positions}, as trained"]
    assert found.nll["backwards"] != found.nll[f"{positions}, as trained"]
