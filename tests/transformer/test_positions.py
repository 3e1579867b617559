import numpy as np

from model.transformer import sinusoidal_positions


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
