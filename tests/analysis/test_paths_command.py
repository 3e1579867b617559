"""The command that writes table 1, and its figure."""

import dataclasses

import pytest
from matplotlib.image import imread

from experiment.analysis.documents import put_between_markers
from experiment.analysis.paths import (
    Row,
    Sizes,
    exponent,
    kinds,
    markdown,
)
from experiment.analysis.paths.__main__ import main
from experiment.analysis.plots import draw_table1

SMALL = [
    *("--lengths", "8", "16", "--d_models", "16", "32", "--windows", "3", "5"),
    *("--kernels", "3", "5", "--path_lengths", "5", "9"),
]
SIZES = Sizes((8, 16), (16, 32), (3, 5), (3, 5), (5, 9))


def made_up_rows():
    return [
        Row(
            kind.name,
            kind.published,
            {8: 1e6, 16: 4e6},
            {16: 2e6, 32: 4e6},
            {3: 2e6, 5: 4e6} if kind.reaches else {},
            {8: 2, 16: 3},
            {5: 1, 9: 4},
        )
        for kind in kinds(SIZES)
    ]


def test_table_has_the_papers_word_beside_what_was_measured():
    rows = made_up_rows()
    lines = markdown(rows, SIZES, source="Measured by hand.").splitlines()
    assert "| self-attention | n² d | 2.00 | 1.00 |  | 4.0 |" in lines
    window = f"{exponent({3: 2.0, 5: 4.0}):.2f}"
    assert f"| self-attention, r = 3 | r n d | 2.00 | 1.00 | {window} | 4.0 |" in lines
    assert "| recurrent | n | 2, 3 | n | 1, 4 |" in lines
    assert "Measured by hand." in lines


def test_only_what_stands_between_the_markers_is_replaced():
    measured = markdown(made_up_rows(), SIZES, source="")
    written = put_between_markers(
        f"Before.\n\n{markdown((), SIZES, source='Old.')}\nAfter.\n", measured
    )
    assert written == f"Before.\n\n{measured}\nAfter.\n"
    assert put_between_markers(written, measured) == written


@pytest.mark.parametrize("text", ["", "<!-- measured: end --><!-- measured: begin -->"])
def test_a_document_without_its_markers_is_refused(text, tmp_path, capsys):
    (tmp_path / "table1.md").write_text(text)
    with pytest.raises(SystemExit) as ended:
        main([f"--out={tmp_path}"])
    assert ended.value.code == 2
    assert "table1.md must have one <!-- measured: begin -->" in capsys.readouterr().err
    assert (tmp_path / "table1.md").read_text() == text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out=nowhere"], "error: --out=nowhere must be a folder that is there."),
        (["--out=.", "--lengths=5"], "error: --lengths 5 must be two or more ascending sizes"),
        (["--out=.", "--length=5"], "error: unrecognized arguments: --length=5"),
        ([], "error: the following arguments are required: --out"),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(flags)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith(message) and told.count("\n") == 1


def test_curves_are_the_rows():
    rows = made_up_rows()
    rows[1] = dataclasses.replace(rows[1], paths={5: 5, 9: 9})
    by_length, _, _, paths = draw_table1(rows).axes
    assert [line.get_label() for line in by_length.get_lines()] == [row.name for row in rows]
    assert all(list(line.get_ydata()) == [1e6, 4e6] for line in by_length.get_lines())
    assert list(paths.get_lines()[1].get_xdata()) == [5, 9]
    assert list(paths.get_lines()[1].get_ydata()) == [5, 9]


@pytest.mark.slow
def test_command_writes_table_and_figure(tmp_path, capsys):
    main([f"--out={tmp_path}", *SMALL])
    assert capsys.readouterr().out.endswith("table1.png: 7 kinds of layers\n")
    lines = (tmp_path / "table1.md").read_text().splitlines()
    assert "| recurrent | n | 8, 16 | n | 5, 9 |" in lines
    assert "| convolutional, k = 3, dilated | 1 | 1, 1 | log_k n | 2, 2 |" in lines
    assert "| self-attention, r = 3 | 1 | 2, 2 | n / r | 2, 4 |" in lines
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table1.md", "table1.png"]
    assert imread(tmp_path / "table1.png").shape[1] > 1_000
