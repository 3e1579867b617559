"""A model without each of its heads, against parameters in which that head's rows are zero."""

import jax
import numpy as np
import pytest

from experiment.analysis.sentences import batch_of
from experiment.analysis.sites import heads_of, ones
from experiment.analysis.viewer import Removals
from experiment.training import batch_loss
from tests.analysis.viewer.tiny import tiny_run

SOURCES = ("the cat sat", "on the mat the cat sat on the mat")
TARGET = "die Katze"


@pytest.fixture(scope="module")
def run():
    return tiny_run()


@pytest.fixture(scope="module")
def removals(run):
    return Removals(run.model, run.params, run.vocabulary, run.config.decode)


def without(params, head):
    """The parameters, with zeros in the rows of the output projection that read a head."""
    path = (*head.site.path, "out", "kernel")

    def zeroed(place, leaf):
        return leaf.at[head.number].set(0) if tuple(key.key for key in place) == path else leaf

    changed = jax.tree_util.tree_map_with_path(zeroed, dict(params))
    same = jax.tree.map(lambda a, b: bool((a == b).all()), changed, dict(params))
    assert jax.tree.leaves(same).count(False) == 1
    return changed


def test_heads_go_by_kind_then_layer_then_number(run):
    heads = [(head.site.kind, head.site.layer, head.number) for head in heads_of(ones(run.model))]
    assert heads == [
        (kind, layer, number)
        for kind in ("encoder", "decoder", "cross")
        for layer in (0, 1)
        for number in (0, 1)
    ]


def test_outputs_are_translations_with_a_heads_rows_at_zero(run, removals):
    translator = run.translator()
    for source in SOURCES:
        found = removals.outputs(source)
        models = [run.params, *(without(run.params, head) for head in heads_of(ones(run.model)))]
        assert found == [translator.best(params, [source])[0] for params in models]
        assert len(set(found)) > 1


def test_log_probs_are_those_with_a_heads_rows_at_zero(run, removals):
    batch = batch_of(run.vocabulary, [(SOURCES[0], TARGET)])

    @jax.jit
    def log_prob(params):
        sums = batch_loss(params, batch, None, apply_fn=run.model.apply, label_smoothing=0.0)[1]
        return -sums.nll

    models = [run.params, *(without(run.params, head) for head in heads_of(ones(run.model)))]
    expected = [log_prob(params) for params in models]
    found = removals.log_probs(SOURCES[0], TARGET)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert np.ptp(found) > 0.01


def test_a_system_without_heads_is_refused():
    run = tiny_run("recurrent")
    with pytest.raises(ValueError, match="Recurrent has no attention heads"):
        Removals(run.model, run.params, run.vocabulary, run.config.decode)
