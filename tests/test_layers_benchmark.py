"""`python -m benchmarks layers`: what it compares, and what it makes of its times."""

import pytest

from benchmarks.layers import FIRST, growth, told
from benchmarks.layers import main as run

SECONDS = {
    FIRST: {64: [1.0, 2.0, 4.0], 128: [4.0, 8.0, 16.0]},
    "recurrent": {64: [2.0, 6.0, 2.0], 128: [4.0, 12.0, 8.0]},
}


def test_ratios_and_exponents_are_of_one_round_each():
    lines = list(told("n", "d = 8", SECONDS))
    compared = "2000.00 ms, 2.00 of self-attention's (rounds 0.50 to 3.00)"
    assert f"recurrent: n = 64, d = 8: {compared}" in lines
    assert "recurrent: exponent of n 1.00 (rounds 1.00 to 2.00)" in lines
    assert growth(SECONDS[FIRST]) == (2.0, 2.0, 2.0)


@pytest.mark.slow
def test_every_kind_is_timed_forward_and_back_at_every_size(capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.layers.use_compilation_cache", lambda folder: None)
    few = ["--rounds", "2", "--sentences", "1", "--window", "3"]
    run(["--lengths", "4", "8", "--d_models", "8", "16", *few])
    lines = capsys.readouterr().out.splitlines()
    names = {line.split(": ")[0].strip() for line in lines if " ms, " in line}
    assert names == {"recurrent", "convolutional, k = 3", FIRST, FIRST.replace(",", ", r = 3,", 1)}
    assert sum(" ms, " in line for line in lines) == 2 * 4 * (2 + 2)
    assert sum("exponent of " in line for line in lines) == 2 * 4 * 2


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--window=1"], "error: --window=1 must be at least 2 positions."),
        (["--d_models", "12"], "error: --d_models=[12] must be multiples of 8, its heads."),
        (["--lengths", "0"], "error: --lengths and --d_models must be at least 1, not 0."),
        (["--rounds=0"], "error: --rounds=0 must be at least 1."),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, capsys):
    with pytest.raises(SystemExit) as ended:
        run(flags)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"{message}\n"
