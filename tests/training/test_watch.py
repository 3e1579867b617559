"""Heartbeats among threads, which share a store as processes do."""

import time

import pytest

from experiment.training import watch
from experiment.training.watch import Watch


class Store(dict):
    """JAX's key-value store, of one machine."""

    def key_value_set(self, key, value, allow_overwrite=False):
        self[key] = value

    def key_value_dir_get(self, prefix):
        return [(key, value) for key, value in self.items() if key.startswith(prefix)]


@pytest.fixture
def stopped(monkeypatch):
    """What would have ended a process, in order."""
    said = []
    monkeypatch.setattr(watch, "SECONDS_BETWEEN_BEATS", 0.02)
    monkeypatch.setattr(watch, "on_abort", lambda handle: None)
    monkeypatch.setattr(watch, "stop", said.append)
    return said


def watching(store, index, count):
    watched = Watch(store, index, lambda other: f"process {other}", count, "")
    watched.start()
    return watched


def until(done):
    end = time.monotonic() + 30
    while not done():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_nobody_is_missed_while_all_beat(stopped):
    store = Store()
    both = [watching(store, index, 2) for index in range(2)]
    until(lambda: int(store.get("beat/1", 0)) > 3 * watch._ROUNDS)
    for each in both:
        each.leave(0)
    assert stopped == []


def test_process_that_falls_silent_is_named(stopped):
    store = Store()
    one = watching(store, 1, 2)
    store["beat/0"] = "0"  # and no more
    until(lambda: stopped)
    one.leave(0)
    assert stopped[0].startswith("process 0 has shown no sign of life for 20 s. This process")


def test_process_that_fails_is_named_as_one_that_did(stopped):
    store = Store()
    both = [watching(store, index, 2) for index in range(2)]
    until(lambda: "beat/0" in store and "beat/1" in store)
    both[1].fails()
    until(lambda: stopped)
    for each in both:
        each.leave(0)
    assert stopped[0].startswith("process 1 has failed; it says why. This process stops.")


def test_process_that_fails_because_another_is_lost_is_not_blamed(stopped):
    store = Store()
    two = [watching(store, index, 3) for index in (0, 2)]
    store["beat/1"] = "1"  # and no more
    two[0].fails()
    until(lambda: len(stopped) > 1)
    for each in two:
        each.leave(0)
    assert all(said.startswith("process 1 has shown no sign") for said in stopped[:2])
