import jax
import jax.numpy as jnp
import numpy as np

from model.transformer import LearnedPositions, learned_positions, sinusoidal_positions

B, T, D = 2, 3, 5


def test_position_zero_is_sines_of_zero_and_cosines_of_zero():
    np.testing.assert_array_equal(sinusoidal_positions(3, 6)[0], [0, 1, 0, 1, 0, 1])


def test_formula_of_section_3_5():
    table = sinusoidal_positions(100, 8)
    position, i = 42, 3
    angle = position / 10_000 ** (2 * i / 8)
    np.testing.assert_allclose(table[position, 2 * i], np.sin(angle), rtol=1e-6)
    np.testing.assert_allclose(table[position, 2 * i + 1], np.cos(angle), rtol=1e-6)


def test_a_shift_is_the_same_linear_map_everywhere():
    table = sinusoidal_positions(60, 16).astype(np.float64)
    shift = 7
    linear_map, *_ = np.linalg.lstsq(table[:-shift], table[shift:], rcond=None)
    np.testing.assert_allclose(table[:-shift] @ linear_map, table[shift:], atol=1e-5)


def test_learned_positions_are_rows_of_a_table(rng):
    table = jax.random.normal(rng, (7, D))
    positions = jnp.array([[0, 6, 2], [3, 0, 0]])
    looked_up = learned_positions(table, positions)
    for b, t in np.ndindex(B, T):
        np.testing.assert_array_equal(looked_up[b, t], table[int(positions[b, t])])


def test_positions_beyond_the_table_are_its_last(rng):
    table = jax.random.normal(rng, (7, D))
    beyond = learned_positions(table, jnp.array([[7, 8, 10_000]]))
    np.testing.assert_array_equal(beyond, jnp.tile(table[-1], (1, 3, 1)))


def test_learned_positions_are_added_and_start_with_variance_1_over_d_model(rng):
    embedded, positions = jnp.ones((B, T, 64)), jnp.array([[0, 1, 2], [0, 0, 999]])
    module = LearnedPositions(max_positions=1000, d_model=64)
    outputs, variables = module.init_with_output(rng, embedded, positions, T)
    table = variables["params"]["table"]
    np.testing.assert_allclose(outputs, 1 + table[positions], rtol=1e-6)
    assert abs(table.std() * 64**0.5 - 1) < 0.02  # 64,000 draws: 0.003 is one deviation
