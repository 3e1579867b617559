"""What was found of several systems, as tables of one measurement a row."""

import numpy as np

from experiment.analysis.long_range import Gradients, Sight, gradient_table, recall_table

SIGHT = Sight(
    "recurrent",
    1_234,
    Gradients(source=np.array([2.0, 1.0]), target=np.array([4.0, 1.0, 0.0])),
    {"target": {0: [1.0, 0.9], 1: [0.5, 0.25]}},
)


def test_gradients_are_a_row_a_distance_with_their_share():
    table = gradient_table([SIGHT]).set_index(["system", "side", "distance"])
    assert len(table) == 5
    assert table.loc[("recurrent", "target", 1)].to_dict() == {"norm": 1.0, "share": 0.25}
    assert table.loc[("recurrent", "source", 1)].to_dict() == {"norm": 1.0, "share": 0.5}


def test_recall_is_a_row_a_seed_of_the_sides_that_were_learned():
    table = recall_table([SIGHT])
    assert table.to_numpy().tolist() == [
        ["recurrent", "target", 0, 0, 1.0],
        ["recurrent", "target", 0, 1, 0.9],
        ["recurrent", "target", 1, 0, 0.5],
        ["recurrent", "target", 1, 1, 0.25],
    ]
