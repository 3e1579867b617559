"""`python -m benchmarks systems`: what it refuses, and what it makes of runs and their times."""

from types import SimpleNamespace

import pytest

from benchmarks.systems import Trained, check_alike, compared, minutes, most_common_beam, table
from benchmarks.systems import main as run


def trained(num_params, steps_to_bleu, *, corpus="a", beam_size=4):
    config = SimpleNamespace(decode=SimpleNamespace(beam_size=beam_size))
    fingerprint = {"corpus": corpus, "direction": "en-de"}
    results = {"step": 3000, "sacrebleu": 31.25, "perplexity": 7.126}
    of_run = SimpleNamespace(num_params=num_params, config=config, fingerprint=fingerprint)
    return Trained(of_run, results, steps_to_bleu)


def test_rates_are_compared_round_by_round():
    """The first is faster in its second round alone, so the medians' ratio would be another."""
    found = compared({"one": [10.0, 40.0, 20.0], "other": [20.0, 10.0, 30.0]})
    assert found == {"one": "20", "other": "20 (1.50; 0.25 to 2.00)"}


def test_minutes_are_of_the_steps_to_the_bleu_at_the_speed_of_now():
    runs = {"one": trained(1, 1200), "other": trained(1, None)}
    assert minutes(runs, {"one": 0.5, "other": 0.1}) == {
        "one": "10 (1,200 steps)",
        "other": "not reached",
    }


def test_table_has_a_row_a_run():
    lines = table({"one": trained(12345, None)}, {"speed": {"one": "7"}})
    assert lines == [
        "| run | parameters | steps | sacreBLEU | perplexity | speed |",
        "|---|---|---|---|---|---|",
        "| one | 12,345 | 3,000 | 31.2 | 7.13 | 7 |",
    ]


def test_beam_is_that_of_most_runs():
    runs = {str(beam): trained(1, 1, beam_size=beam) for beam in (5, 4)}
    assert most_common_beam({**runs, "third": trained(1, 1, beam_size=4)}) == 4


def test_runs_on_other_text_are_refused():
    with pytest.raises(ValueError, match="one and other must have learned from the same text, and"):
        check_alike({"one": trained(1, 1), "other": trained(1, 1, corpus="b")})


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--rounds=0"], "error: --rounds=0 must be at least 1.\n"),
        ([], "holds no run (no config.json). Train one with"),
    ],
)
def test_bad_flags_are_told_in_a_line(flags, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        run([f"--workdirs={tmp_path}", *flags])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
