import dataclasses
import functools

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from model.transformer import Tokens, Transformer, TransformerConfig, one_sentence_a_row
from model.transformer.config import CHOICES

CONFIG = TransformerConfig(
    vocab_size=23, d_model=14, d_ff=19, num_heads=3, num_layers=2, dropout_rate=0.5, d_k=5, d_v=11
)
MODEL = Transformer(CONFIG)
SOURCE = jnp.array([[5, 6, 7, 8, 9, 1, 0], [9, 3, 1, 0, 0, 0, 0]])
TARGET = jnp.array([[2, 11, 12, 13, 14], [2, 15, 16, 0, 0]])


@pytest.fixture(scope="module")
def variables():
    tokens = one_sentence_a_row(TARGET)
    init = jax.jit(lambda rng: MODEL.init(rng, tokens, tokens, deterministic=True))(
        jax.random.key(1)
    )
    return {"params": init["params"]}


@pytest.fixture(scope="module", params=CHOICES["positions"])
def placed(request):
    """A model of each scheme of positions, its tables as large as if they had been trained."""
    # Two layers of the default; one is enough to tell schemes apart, and compiles sooner. Targets
    # are longer than the learned tables, as translations may be.
    num_layers = 2 if request.param == "sinusoidal" else 1
    changes = dict(positions=request.param, d_k=6, num_layers=num_layers, max_positions=4)
    model = Transformer(dataclasses.replace(CONFIG, **changes))
    tokens = one_sentence_a_row(TARGET)
    init = jax.jit(lambda rng: model.init(rng, tokens, tokens, deterministic=True)["params"])

    def enlarge(path, leaf):
        return leaf * (5 if "positions" in jax.tree_util.keystr(path) else 1)

    return model, {"params": jax.tree_util.tree_map_with_path(enlarge, init(jax.random.key(1)))}


STATIC = ("deterministic", "method", "beam_size", "max_length")
apply_model = jax.jit(Transformer.apply, static_argnums=0, static_argnames=STATIC)
apply = functools.partial(apply_model, MODEL)


def logits(variables, source, target, model=MODEL):
    if not isinstance(source, Tokens):
        source, target = one_sentence_a_row(source), one_sentence_a_row(target)
    return apply_model(model, variables, source, target, deterministic=True)


def shapes_of(config):
    tokens = one_sentence_a_row(TARGET)
    init = functools.partial(Transformer(config).init, deterministic=True)
    params = jax.eval_shape(init, jax.random.key(0), tokens, tokens)["params"]
    leaves = flax.traverse_util.flatten_dict(params, sep="/")
    return {path: leaf.shape for path, leaf in leaves.items()}


@pytest.mark.parametrize(
    ("positions", "added"),
    [
        ("sinusoidal", {}),
        ("learned", {"source_positions/table": (37, 14), "target_positions/table": (37, 14)}),
        ("rotary", {}),
        ("alibi", {}),
        (
            "relative",
            {
                "encoder/relative_positions/table": (32, 3),
                "decoder/relative_positions/table": (32, 3),
            },
        ),
    ],
)
def test_positions_add_these_parameters_and_no_others(positions, added):
    changes = dict(d_k=6, max_positions=37)
    without = shapes_of(dataclasses.replace(CONFIG, positions="none", **changes))
    assert shapes_of(dataclasses.replace(CONFIG, positions=positions, **changes)) == without | added


def rows_that_learn(positions, where):
    """Rows of the tables at the paths `where` that some logit of four tokens has a gradient for."""
    model = Transformer(
        dataclasses.replace(CONFIG, positions=positions, max_positions=7, num_layers=1)
    )
    tokens = one_sentence_a_row(jnp.array([[5, 6, 7, 8]]))

    @jax.jit
    def gradients(rng):
        params = model.init(rng, tokens, tokens, deterministic=True)["params"]

        def random_sum(params):
            outputs = model.apply({"params": params}, tokens, tokens, deterministic=True)
            return (outputs * jax.random.normal(rng, outputs.shape)).sum()

        return jax.grad(random_sum)(params)

    found = flax.traverse_util.flatten_dict(gradients(jax.random.key(1)), sep="/")
    return [set(np.flatnonzero(np.abs(found[path]).sum(-1))) for path in where]


def test_learned_positions_learn_where_tokens_stood():
    source, target = rows_that_learn(
        "learned", ["source_positions/table", "target_positions/table"]
    )
    assert source == target == {0, 1, 2, 3}


def test_relative_positions_learn_from_the_distances_they_met():
    encoder, decoder = rows_that_learn(
        "relative", ["encoder/relative_positions/table", "decoder/relative_positions/table"]
    )
    assert encoder == {0, 1, 2, 3, 17, 18, 19}
    assert decoder == {0, 1, 2, 3}


def test_parameter_paths_are_a_format(variables):
    layer = variables["params"]["decoder"]["layer_1"]
    assert set(variables["params"]) == {"embedding", "encoder", "decoder"}
    assert set(layer) == {
        "self_attention",
        "self_attention_residual",
        "cross_attention",
        "cross_attention_residual",
        "feed_forward",
        "feed_forward_residual",
    }
    assert layer["feed_forward"]["hidden"]["kernel"].shape == (14, 19)
    assert layer["feed_forward_residual"]["norm"]["scale"].shape == (14,)
    assert variables["params"]["embedding"]["table"].shape == (23, 14)


def test_no_position_sees_the_future(variables):
    before = logits(variables, SOURCE, TARGET)
    after = logits(variables, SOURCE, TARGET.at[0, 3].set(20))
    np.testing.assert_array_equal(before[0, :3], after[0, :3])
    assert (before[0, 3:] != after[0, 3:]).any(axis=-1).all()


def test_padding_never_matters(variables):
    short = logits(variables, SOURCE[1:, :3], TARGET[1:, :3])
    padded = logits(variables, SOURCE[1:], TARGET[1:])
    np.testing.assert_allclose(short[0], padded[0, :3], rtol=1e-5, atol=1e-5)


def test_packed_sentences_are_as_separate_ones(placed):
    model, variables = placed

    def packed(first, second, length):
        ids = np.concatenate([first, second, np.zeros(length - len(first) - len(second), int)])
        segments = np.repeat(
            [1, 2, 0], [len(first), len(second), length - len(first) - len(second)]
        )
        positions = np.concatenate([np.arange(len(first)), np.arange(len(second)), np.zeros(20)])
        return Tokens(
            *(jnp.asarray(x[None, :length], jnp.int32) for x in (ids, segments, positions))
        )

    sources, targets = ([5, 6, 7, 1], [9, 3, 1]), ([2, 11, 12], [2, 15])
    together = logits(variables, packed(*sources, 9), packed(*targets, 7), model)
    for source, target, columns in zip(sources, targets, (slice(0, 3), slice(3, 5)), strict=True):
        alone = logits(variables, packed(source, [], 9), packed(target, [], 7), model)[0]
        alone = alone[: len(target)]
        np.testing.assert_allclose(together[0, columns], alone, rtol=1e-5, atol=1e-5)


def test_only_without_positions_the_encoder_is_blind_to_order(placed):
    model, variables = placed
    source, order = jnp.array([[5, 6, 7, 8, 9, 1]]), jnp.array([3, 0, 5, 1, 4, 2])
    straight, permuted = (
        apply_model(model, variables, one_sentence_a_row(ids), deterministic=True, method="encode")
        for ids in (source, source[:, order])
    )
    difference = np.abs(straight[:, order] - permuted).max()
    assert difference < 1e-5 if model.config.positions == "none" else difference > 1e-2


def test_the_decoder_sees_the_source_as_a_set(placed):
    # Every scheme stays out of the attention to the source: what tells its order is in `memory`.
    model, variables = placed
    source, target = one_sentence_a_row(jnp.array([[5, 6, 7, 8, 9, 1]])), TARGET[:1]
    memory = jax.random.normal(jax.random.key(2), (1, 6, 14))
    inputs, options = one_sentence_a_row(target), dict(deterministic=True, method="decode")
    straight, permuted = (
        apply_model(model, variables, inputs, memory, source, **options)
        for memory in (memory, memory[:, ::-1])
    )
    np.testing.assert_allclose(straight, permuted, rtol=1e-4, atol=1e-5)


def test_order_of_the_source_matters(variables):
    cat_chases_dog, dog_chases_cat = jnp.array([[5, 6, 7, 1]]), jnp.array([[7, 6, 5, 1]])
    target = jnp.array([[2, 11]])
    one, other = (logits(variables, s, target) for s in (cat_chases_dog, dog_chases_cat))
    assert np.abs(one - other).max() > 1e-3


def test_dropout_is_a_function_of_its_key(variables):
    source, target = one_sentence_a_row(SOURCE), one_sentence_a_row(TARGET)

    def noisy(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return apply(variables, source, target, deterministic=False, rngs=rngs)

    np.testing.assert_array_equal(noisy(0), noisy(0))
    assert (noisy(0) != noisy(1)).any()


def test_the_three_embeddings_are_one_matrix(variables):
    table = variables["params"]["embedding"]["table"]
    assert sum(leaf.shape == table.shape for leaf in jax.tree.leaves(variables)) == 1
    score = jax.grad(lambda params: logits({"params": params}, SOURCE, TARGET)[0, 0, 22])
    gradient = score(variables["params"])["embedding"]["table"]
    used = {5, 6, 7, 8, 9, 1, 2, 22}  # the source's pieces, the first target piece, the scored one
    assert set(np.flatnonzero(np.abs(gradient).sum(-1))) == used


def step_by_step(model, variables, source, target, parents):
    """Logits of `decode_step` along `parents`; `target` [B, M, T] is what each slot is fed."""
    beams, length = target.shape[1:]
    source, sizes = one_sentence_a_row(source), dict(beam_size=beams, max_length=length + 2)
    cache = apply_model(model, variables, source, **sizes, method="init_cache")
    outputs = []
    for t in range(length):
        out, cache = apply_model(
            model, variables, target[:, :, t], parents[t], cache, method="decode_step"
        )
        outputs.append(out)
    return jnp.stack(outputs, axis=2)


def test_cached_decoding_equals_full_decoding(placed):
    model, variables = placed
    stay = jnp.zeros((5, 2, 1), jnp.int32)
    cached = step_by_step(model, variables, SOURCE, TARGET[:, None], stay)[:, 0]
    full = logits(variables, SOURCE, TARGET, model)
    real = np.asarray(TARGET) > 0
    np.testing.assert_allclose(cached[real], full[real], rtol=1e-4, atol=1e-5)


def test_cached_decoding_follows_parents_through_the_beam(placed):
    model, variables = placed
    # Three slots over four steps; parents[t][m] is the slot whose history slot m takes over.
    fed = jnp.array([[[2, 11, 12, 13], [2, 14, 15, 16], [2, 17, 18, 19]]])
    parents = jnp.array([[[0, 1, 2]], [[0, 0, 1]], [[2, 0, 2]], [[1, 1, 0]]])
    cached = step_by_step(model, variables, SOURCE[:1], fed, parents)
    histories = [[2], [2], [2]]
    for t in range(1, 4):
        came_from = parents[t, 0]
        histories = [histories[came_from[m]] + [int(fed[0, m, t])] for m in range(3)]
    for m, history in enumerate(histories):
        full = logits(variables, SOURCE[:1], jnp.array([history]), model)
        np.testing.assert_allclose(cached[0, m, -1], full[0, -1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            dict(d_model=512, num_heads=12, d_k=None),
            r"model.d_model=512 must be divisible by model.num_heads=12 \(remainder 8\)\. "
            "Nearest: 8 or 16 heads",
        ),
        (dict(dropout_rate=1.0), r"model.dropout_rate=1.0 must be in \[0, 1\)"),
        (dict(num_layers=0), "model.num_layers=0 must be at least 1"),
        (dict(d_model=15), "model.d_model=15 must be even"),
    ],
)
def test_impossible_sizes_are_refused(change, message):
    sizes = dict(
        vocab_size=23, d_model=14, d_ff=19, num_heads=2, num_layers=2, dropout_rate=0.1, d_k=4
    )
    with pytest.raises(ValueError, match=message):
        TransformerConfig(**{**sizes, **change})
