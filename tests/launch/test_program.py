import jax
import pytest

from experiment import training
from experiment.config_files import load_config
from experiment.data import Batch
from launch.program import model_flops
from launch.suggestion import changed
from model.transformer import Transformer, one_sentence_a_row

ROWS, LENGTH = 3, 7
SMALL = {
    "model.num_layers": 2,
    "model.d_model": 20,
    "model.num_heads": 5,
    "model.d_ff": 24,
    "model.d_k": 3,
    "model.d_v": 6,
    "data.vocab_size": 31,
}


def flops_of_products(jaxpr):
    """Of every dot_general of a program, those of the programs inside it included."""
    total = 0
    for equation in jaxpr.eqns:
        inner = [jaxpr for value in equation.params.values() for jaxpr in jaxprs(value)]
        total += sum(flops_of_products(jaxpr) for jaxpr in inner)
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            left = equation.invars[0].aval.shape
            depth = 1
            for axis in contracted:
                depth *= left[axis]
            total += 2 * equation.outvars[0].aval.size * depth
    return total


def jaxprs(value):
    if hasattr(value, "eqns"):
        yield value
    elif hasattr(value, "jaxpr"):
        yield value.jaxpr


@pytest.mark.parametrize("changes", [{}, {"model.activation": "swiglu"}, {"train.r_drop": 2.0}])
def test_the_formula_counts_every_product_of_the_program(changes):
    config = changed(load_config("configs/numbers.py"), {**SMALL, **changes})
    model = Transformer(config.model.system_config(config.data.vocab_size))
    tokens = one_sentence_a_row(jax.numpy.ones((ROWS, LENGTH), "int32"))
    batch = Batch(*tokens, tokens.ids, *tokens)
    params = jax.eval_shape(lambda: training.init_params(model, jax.random.key(0)))
    gradients = jax.grad(training.training_loss(model, config.train), has_aux=True)
    program = jax.make_jaxpr(gradients)(params, batch, jax.random.key(1))
    assert model_flops(config, ROWS, LENGTH) == flops_of_products(program.jaxpr)
