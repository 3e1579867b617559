import jax
import jax.numpy as jnp
import numpy as np

from model.baselines.lstm import (
    LSTM,
    LSTMParams,
    LSTMState,
    lstm_cell,
    lstm_step,
    project_inputs,
    run_lstm,
)
from model.baselines.recurrent_encoder import sentence_ends, sentence_starts
from tests.baselines import numpy_recurrent

B, T, INPUTS, C = 2, 5, 3, 4


def random_params(rng, inputs=INPUTS):
    kernel, bias = jax.random.split(rng)
    shape = (inputs + C, 4, C)
    return LSTMParams(jax.random.normal(kernel, shape), jax.random.normal(bias, shape[1:]))


def test_cell_by_hand():
    # Input gate half open, forget gate shut, candidate tanh(ln 2) = 0.6, output gate wide open.
    gates = jnp.array([[[0.0], [-100.0], [np.log(2.0)], [100.0]]])
    state = lstm_cell(gates, jnp.array([[7.0]]), jnp.float32)
    np.testing.assert_allclose(state.cell, [[0.3]], rtol=1e-6)
    np.testing.assert_allclose(state.hidden, [[0.29131261]], rtol=1e-6)  # tanh(0.3)
    # Input gate shut, forget gate at 3 / 4, output gate at 1 / 4.
    gates = jnp.array([[[-100.0], [np.log(3.0)], [1.0], [-np.log(3.0)]]])
    state = lstm_cell(gates, jnp.array([[2.0]]), jnp.float32)
    np.testing.assert_allclose(state.cell, [[1.5]], rtol=1e-6)
    np.testing.assert_allclose(state.hidden, [[0.25 * 0.90514825]], rtol=1e-6)  # tanh(1.5)


def test_step_is_that_of_the_loops_however_its_inputs_are_split(rng):
    params, inputs = random_params(rng), jax.random.normal(rng, (B, INPUTS))
    state = LSTMState(jax.random.normal(rng, (B, C)), jax.random.normal(rng, (B, C)) * 2)
    arrays = {"kernel": np.asarray(params.kernel), "bias": np.asarray(params.bias)}
    for early in range(1, INPUTS + 1):
        projected = project_inputs(params, inputs[:, :early])
        found = lstm_step(params, projected, (inputs[:, early:],), state)
        for row in range(B):
            expected = numpy_recurrent.lstm_step(
                *(np.asarray(x[row]) for x in (inputs, *state)), arrays
            )
            np.testing.assert_allclose(found.hidden[row], expected[0], rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(found.cell[row], expected[1], rtol=1e-4, atol=1e-6)


def test_a_sentence_starts_anew_in_either_direction(rng):
    params, inputs = random_params(rng), jax.random.normal(rng, (1, T, INPUTS))
    segments = jnp.array([[1, 1, 2, 2, 0]])
    for reverse, begins in ((False, sentence_starts), (True, sentence_ends)):
        together = run_lstm(params, inputs, begins(segments), reverse=reverse)
        for own in (slice(0, 2), slice(2, 4)):
            alone = run_lstm(params, inputs[:, own], begins(jnp.ones((1, 2), int)), reverse=reverse)
            np.testing.assert_allclose(together[:, own], alone, rtol=1e-6)


def test_a_sentence_starts_from_what_is_given(rng):
    params, inputs = random_params(rng), jax.random.normal(rng, (B, T, INPUTS))
    initial = jax.random.normal(rng, (B, T, C))
    starts = jnp.array([[1, 0, 0, 1, 0], [1, 0, 0, 0, 0]], bool)
    found = run_lstm(params, inputs, starts, initial)
    arrays = {"kernel": np.asarray(params.kernel), "bias": np.asarray(params.bias)}
    for row in range(B):
        for t in range(T):
            if starts[row, t]:
                hidden, cell = np.asarray(initial[row, t]), np.zeros(C)
            hidden, cell = numpy_recurrent.lstm_step(
                np.asarray(inputs[row, t]), hidden, cell, arrays
            )
            np.testing.assert_allclose(found[row, t], hidden, rtol=1e-4, atol=1e-6)


def test_only_forget_gates_start_open(rng):
    params = LSTM(INPUTS, C).init(rng, method=lambda lstm: lstm.params)["params"]
    np.testing.assert_array_equal(params["bias"], [[0.0] * C, [1.0] * C, [0.0] * C, [0.0] * C])
    assert params["kernel"].shape == (INPUTS + C, 4, C)
    limit = np.sqrt(6 / (INPUTS + C + C))  # Glorot and Bengio, of one gate's matrix
    assert 0.8 * limit < np.abs(params["kernel"]).max() <= limit


def test_products_of_the_inputs_stand_outside_of_the_loop(rng):
    """What is left in it is one product a position, of the layer's own output."""
    params, inputs = random_params(rng), jnp.zeros((B, T, INPUTS))
    program = jax.make_jaxpr(run_lstm)(params, inputs, jnp.zeros((B, T), bool))
    scan = next(e for e in program.eqns if e.primitive.name == "scan")
    inside = [e for e in scan.params["jaxpr"].eqns if e.primitive.name == "dot_general"]
    assert [e.invars[1].aval.shape for e in inside] == [(C, 4 * C)]
