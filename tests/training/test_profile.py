import gzip
import json

import jax
import jax.numpy as jnp
import pytest

from experiment.training import Profile, profile_of
from experiment.training.profile import Profiler

FORM = (
    "must be FROM:TO, two whole numbers of which the first is smaller. 100:110 traces the ten "
    "steps after step 100."
)


def test_steps_are_read_from_the_flag():
    assert profile_of("100:110", 110) == Profile(100, 110)
    assert profile_of("0:1", 1) == Profile(0, 1)
    assert profile_of(None, 1) is None


@pytest.mark.parametrize(
    "flag", ["", "5", "5:", ":5", "a:b", "5:5", "6:5", "-1:5", "1:2:3", "1.5:3"]
)
def test_what_is_no_pair_of_steps_is_refused(flag):
    with pytest.raises(ValueError) as refused:
        profile_of(flag, 1_000)
    assert str(refused.value) == f"--profile={flag} {FORM}"


def test_steps_beyond_the_last_are_refused():
    with pytest.raises(ValueError) as refused:
        profile_of("90:101", 100)
    assert str(refused.value) == (
        "--profile=90:101 must end within the run, which has 100 steps. Use at most 100 for TO, "
        "or raise train.num_steps."
    )


class Traced:
    """What a profiler did, in order, in the place of jax.profiler."""

    def __init__(self, monkeypatch, tmp_path, fail=()):
        self.did, self.said, self._fail = [], [], fail
        for name in ("start_trace", "stop_trace"):
            monkeypatch.setattr(jax.profiler, name, self._noting(name))
        self._folder = tmp_path / "profile"

    def _noting(self, name):
        def note(*arguments, **options):
            self.did.append(name)
            if name in self._fail:
                raise RuntimeError(f"{name} failed\nin two lines")

        return note

    def profiler(self, profile):
        def wait():
            self.did.append("wait")

        return Profiler(profile, self._folder, say=self.said.append, wait=wait)

    def take(self, profile, steps):
        with self.profiler(profile) as profiler:
            for number in steps:
                with profiler.step(number):
                    self.did.append(number)
        return self.did


@pytest.fixture
def traced(monkeypatch, tmp_path):
    return Traced(monkeypatch, tmp_path)


def test_the_steps_asked_for_are_traced_and_no_other(traced):
    did = traced.take(Profile(2, 4), range(1, 6))
    assert did == [1, 2, "wait", "start_trace", 3, 4, "wait", "stop_trace", 5]
    (said,) = traced.said
    assert said.startswith("steps 3 to 4 are traced in ")


def test_nothing_is_traced_unless_asked_for(traced):
    assert traced.take(None, range(1, 4)) == [1, 2, 3]
    assert traced.said == []


def test_first_step_and_last_can_be_traced(traced):
    did = traced.take(Profile(0, 2), range(1, 3))
    assert did == ["wait", "start_trace", 1, 2, "wait", "stop_trace"]


def test_run_that_goes_on_among_the_steps_traces_those_that_are_left(traced):
    did = traced.take(Profile(2, 5), range(5, 7))
    assert did == ["wait", "start_trace", 5, "wait", "stop_trace", 6]


def test_run_that_goes_on_behind_the_steps_says_so_and_goes_on(traced):
    assert traced.take(Profile(2, 4), range(5, 8)) == [5, 6, 7]
    assert traced.said == ["--profile=2:4 is over before step 5, the first one now: not traced."]


def test_other_processes_than_the_first_trace_nothing(traced, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    assert traced.take(Profile(0, 2), range(1, 3)) == [1, 2]


@pytest.mark.parametrize("where", ["inside", "between"])
def test_what_there_is_is_kept_when_training_fails(traced, where):
    with pytest.raises(KeyboardInterrupt), traced.profiler(Profile(0, 9)) as profiler:
        with profiler.step(1):
            if where == "inside":
                raise KeyboardInterrupt
        raise KeyboardInterrupt
    assert traced.did == ["wait", "start_trace", "wait", "stop_trace"]
    assert traced.said[0].startswith("the steps are traced in ")


@pytest.mark.parametrize(
    ("fails", "said"),
    [
        ("start_trace", "--profile=0:2: no trace can be taken (start_trace failed); "),
        ("stop_trace", "the trace could not be written (stop_trace failed); "),
    ],
)
def test_training_goes_on_where_there_can_be_no_trace(monkeypatch, tmp_path, fails, said):
    traced = Traced(monkeypatch, tmp_path, fail={fails})
    did = traced.take(Profile(0, 2), range(1, 5))
    assert [what for what in did if isinstance(what, int)] == [1, 2, 3, 4]
    assert did.count(fails) == 1
    assert traced.said == [f"{said}training goes on."]


def test_trace_holds_the_steps_by_number(tmp_path):
    said, product, values = [], jax.jit(jnp.matmul), [jnp.ones((8, 8))]

    def wait():
        jax.block_until_ready(values)

    with Profiler(Profile(1, 3), tmp_path / "profile", say=said.append, wait=wait) as profiler:
        for number in range(1, 5):
            with profiler.step(number):
                values.append(product(values[-1], values[0]))
    (trace,) = (tmp_path / "profile").glob("plugins/profile/*/*.trace.json.gz")
    events = json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
    numbers = [event["args"]["step_num"] for event in events if event.get("name") == "train"]
    assert numbers == ["2", "3"]
    assert said == [
        f"steps 2 to 3 are traced in {tmp_path / 'profile'}. To look: pip install xprof, then "
        f"tensorboard --logdir={tmp_path / 'profile'}, Profile, or open {trace} in "
        "https://ui.perfetto.dev."
    ]
