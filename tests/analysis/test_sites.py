import jax
import numpy as np
import pytest

from experiment.analysis.sites import Site, at, ones, sites_of, with_gates
from model.baselines import Recurrent, RecurrentConfig
from model.transformer import (
    DecoderOnly,
    DecoderOnlyConfig,
    EncoderOnly,
    EncoderOnlyConfig,
    Transformer,
    TransformerConfig,
)

SIZES = dict(vocab_size=13, d_model=6, d_ff=5, num_heads=3, num_layers=2, dropout_rate=0.0)


def test_sites_are_those_of_all_three_kinds_from_below():
    sites = sites_of(ones(Transformer(TransformerConfig(**SIZES))))
    assert sites == [
        Site(kind, layer) for kind in ("encoder", "decoder", "cross") for layer in (0, 1)
    ]


@pytest.mark.parametrize(
    ("system", "config"), [(DecoderOnly, DecoderOnlyConfig), (EncoderOnly, EncoderOnlyConfig)]
)
def test_half_of_a_transformer_has_one_kind(system, config):
    kinds = {site.kind for site in sites_of(ones(system(config(**SIZES))))}
    assert len(kinds) == 1 and "cross" not in kinds


def test_gates_of_one_site_are_replaced_and_no_other():
    gates = ones(Transformer(TransformerConfig(**SIZES)))
    site, new = Site("cross", 1), np.array([1.0, 0.0, 0.5])
    changed = with_gates(gates, {site: new})
    np.testing.assert_array_equal(at(changed, site)["heads"], new)
    assert sum(float(leaf.sum()) for leaf in jax.tree.leaves(changed)) == 6 * 3 - 1.5
    assert all(float(leaf.min()) == 1 for leaf in jax.tree.leaves(gates))


def test_model_without_heads_is_refused():
    config = RecurrentConfig(vocab_size=13, d_model=4, num_layers=1, dropout_rate=0.0)
    with pytest.raises(ValueError, match=r"^Recurrent has no attention heads to be asked for\."):
        ones(Recurrent(config))
