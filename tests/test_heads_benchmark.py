"""`python -m benchmarks heads`: its ways find the same, and what it makes of their times."""

import pytest

from benchmarks.heads import CALLS, PROGRAMS, VMAPPED, call_by_call, compiled, program, told
from benchmarks.heads import main as run
from experiment.analysis.heads import Losses
from tests.analysis.heads import tiny


@pytest.fixture(scope="module")
def losses():
    return Losses(tiny.run(), tiny.PAIRS)


def test_program_of_a_head_finds_what_the_others_find(losses):
    alone = program(losses, losses.heads[7])
    assert alone == pytest.approx(call_by_call(losses)[7], rel=1e-5)


def test_each_round_has_a_time_of_each_way(losses):
    seconds = compiled(losses, rounds=2)
    assert list(seconds) == [VMAPPED, CALLS]
    assert all(len(values) == 2 and min(values) > 0 for values in seconds.values())


def test_ways_are_compared_round_by_round():
    seconds = {VMAPPED: [1.0, 2.0, 1.0], CALLS: [5.0, 6.0, 8.0], PROGRAMS: [20.0, 20.0, 30.0]}
    assert list(told("compiled", seconds)) == [
        "compiled, one vmapped call: 1.00 s",
        "compiled, a call a head: 6.00 s, 5.00 times one vmapped call (rounds 3.00 to 8.00)",
        "compiled, a program a head: 20.00 s, 20.00 times one vmapped call (rounds 10.00 to 30.00)",
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rounds=0"], "error: --rounds=0 must be at least 1.\n"),
        (["--sentences", "8", "0"], "error: --sentences=0 must be at least 1.\n"),
        ([], "holds no run (no config.json). Train one with"),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run([f"--workdir={tmp_path}", *flags])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
