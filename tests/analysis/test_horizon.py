"""What the last output sees, hop by hop: by hand, and against the longest path."""

import numpy as np
import pytest

from experiment.analysis.paths import (
    Published,
    Row,
    convolutional,
    hops_table,
    horizon,
    max_path_length,
    operation_table,
    path_table,
    recurrent,
    restricted,
    self_attention,
)
from experiment.analysis.plots import draw_horizons

LENGTH = 9
LAYERS = {
    "self-attention": self_attention(),
    "self-attention, r = 4": restricted(4),
    "recurrent": recurrent(),
    "convolutional, k = 3": convolutional(3),
    "convolutional, k = 3, dilated": convolutional(3, dilated=True),
}


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("self-attention", [9, 9, 9]),
        ("self-attention, r = 4", [4, 7, 9]),
        ("recurrent", [1, 2, 3]),
        ("convolutional, k = 3", [3, 5, 7]),
        ("convolutional, k = 3, dilated", [3, 9, 9]),
    ],
)
def test_the_nearest_inputs_are_seen_first(name, seen):
    found = horizon(LAYERS[name], LENGTH, 3)
    expected = [[place >= LENGTH - count for place in range(LENGTH)] for count in seen]
    assert found.tolist() == expected


@pytest.mark.parametrize("name", LAYERS)
def test_all_is_seen_after_the_longest_path(name):
    hops = max_path_length(LAYERS[name], LENGTH)
    found = horizon(LAYERS[name], LENGTH, hops).all(axis=1)
    assert found.tolist() == [False] * (hops - 1) + [True]


def test_table_counts_what_is_seen_and_the_picture_shows_it():
    seen = {"recurrent": np.tri(3, 5, dtype=bool)[:, ::-1]}
    assert hops_table(seen)["recurrent"].to_dict() == {1: 1, 2: 2, 3: 3}
    (axis,) = draw_horizons(seen).axes
    assert axis.get_images()[0].get_array().tolist() == seen["recurrent"].tolist()
    assert "3 of 5 inputs in 3 hops" in axis.get_title()


def test_tables_have_the_papers_word_beside_what_was_measured():
    powers = {8: 64.0, 16: 256.0}
    row = Row(
        "recurrent", Published("n d²", "n", "1"), powers, powers, {}, {8: 2, 16: 3}, {5: 4, 9: 6}
    )
    paths = path_table([row]).loc["recurrent"]
    assert paths["paths"].to_dict() == {"paper": "1", "n = 5": 4, "n = 9": 6}
    assert paths["chains"].to_dict() == {"paper": "n", "n = 8": 2, "n = 16": 3}
    assert operation_table([row]).loc["recurrent"].tolist() == ["n d²", 2.0, 2.0]
