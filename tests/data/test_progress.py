from experiment.data import progress
from experiment.data.progress import Progress


def test_share_and_time_left_are_reported(monkeypatch, lines):
    clock = iter([0.0, 1.0, 6.0, 7.0, 12.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    work = Progress(lines.append, "reading", 4_000)
    for _ in range(4):
        work.advance(500)
    assert lines == [
        "reading: 1,000 of 4,000 (25 %), about 18 s left",
        "reading: 2,000 of 4,000 (50 %), about 12 s left",
    ]
