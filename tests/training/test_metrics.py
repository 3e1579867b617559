import contextlib
import json

import pytest

from experiment.training import MetricsLog, read_metrics


def write(path, steps, *, after=0):
    with contextlib.closing(MetricsLog(path, step=after)) as log:
        for step in steps:
            log.write("train", step, {"loss": 1 / step})


def steps_in(path):
    return [line["step"] for line in read_metrics(path)]


def test_lines_hold_what_was_measured_in_order(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with contextlib.closing(MetricsLog(path, step=0)) as log:
        log.write("train", 3, {"loss": 0.1, "nll": 2.5})
        log.write("validation", 3, {"sacrebleu": 41.0, "sacrebleu_signature": "nrefs:1"})
    assert read_metrics(path) == [
        {"kind": "train", "step": 3, "loss": 0.1, "nll": 2.5},
        {"kind": "validation", "step": 3, "sacrebleu": 41.0, "sacrebleu_signature": "nrefs:1"},
    ]


def test_reopening_forgets_what_came_after_the_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, [1, 2, 3, 4])
    write(path, [3, 5], after=2)
    assert steps_in(path) == [1, 2, 3, 5]


def test_reopening_keeps_the_bytes_of_what_came_before(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, [3, 7])
    before = path.read_bytes()
    write(path, [], after=7)
    assert path.read_bytes() == before


def test_line_that_a_dying_process_cut_off_is_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, [1, 2])
    path.write_text(path.read_text() + json.dumps({"kind": "train", "step": 2, "loss": 1})[:-9])
    write(path, [3], after=2)
    assert steps_in(path) == [1, 2, 3]


def test_line_is_on_disk_before_the_log_is_closed(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with contextlib.closing(MetricsLog(path, step=0)) as log:
        log.write("train", 1, {"loss": 1.0})
        assert steps_in(path) == [1]


def test_tensorboard_events_lie_beside(tmp_path):
    write(tmp_path / "metrics.jsonl", [1])
    (events,) = (tmp_path / "tensorboard").iterdir()
    assert b"train/loss" in events.read_bytes()


@pytest.mark.parametrize(
    "damaged", [b'{"ki', b"\xff", b'{"kind": "t", "step": null}', b"[]", b"{}"]
)
def test_line_that_is_damaged_in_the_middle_is_named_and_nothing_is_dropped(tmp_path, damaged):
    path = tmp_path / "metrics.jsonl"
    first, last = b'{"kind": "train", "step": 1}', b'{"kind": "train", "step": 3}'
    path.write_bytes(b"\n".join([first, damaged, last, b""]))
    before = path.read_bytes()
    with pytest.raises(ValueError) as refused:
        MetricsLog(path, step=4)
    assert str(refused.value) == (
        f"{path}, line 2: not a line of metrics any more. Mend it or take it out."
    )
    assert path.read_bytes() == before
