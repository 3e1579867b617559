import contextlib
import functools
import json
import os
import signal
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiment.data import training_batches
from experiment.errors import MachineFailed
from experiment.training import (
    RATES,
    TIMES,
    Diverged,
    Loop,
    Member,
    Pmapped,
    Preempted,
    Profile,
    Progress,
    StopRequest,
    TrainState,
    adam,
    batch_loss,
    finish,
    init_state,
    learning_rate,
    loss_of,
    read_metrics,
    train_step,
)
from experiment.training.chips import TPUS
from experiment.training.loop import STEPS_AHEAD
from model.transformer import Transformer
from tests.made_up import V, bigram, config, training_data
from tests.training.opened import opened

CONFIG = config(train={"cooldown_steps": 4})
MODEL = Transformer(CONFIG.model.system_config(V))
OPTIMIZER = adam(CONFIG)
INIT = functools.partial(
    jax.jit(functools.partial(init_state, MODEL, OPTIMIZER)), jax.random.key(0)
)
ONE_DEVICE = Pmapped(jax.devices()[:1])
LOSS_FN = loss_of(MODEL, CONFIG.train.label_smoothing)
STEP = ONE_DEVICE.compile_train_step(
    functools.partial(train_step, loss_fn=LOSS_FN, optimizer=OPTIMIZER)
)


def evaluate(params, *, progress):
    """A score that tells parameters apart."""
    progress(1, 1)
    return {"score": float(sum(np.abs(leaf).sum(dtype=float) for leaf in jax.tree.leaves(params)))}


def looped(run, config=CONFIG, step_fn=STEP, placement=ONE_DEVICE, evaluate=evaluate, profile=None):
    rate = learning_rate(config)
    member = Member(run, jax.random.key(1), evaluate, Progress(), rate_of=rate)
    stop = StopRequest(member.progress.say)
    return Loop(
        step_fn=step_fn,
        placement=placement,
        config=config.train,
        members=[member],
        stop=stop,
        profile=profile,
    )


def run_to_end(loop, batches):
    with loop.stop:
        loop.run_to_end(batches)


def batches_of(run, config=CONFIG, *, stop_after=None):
    """The batches from where the run stands; SIGTERM comes while step `stop_after` is taken."""
    data = training_data(config)
    count = config.train.num_steps - run.step
    batches = training_batches(data.train, data.plan, start_step=run.step, num_steps=count)
    for step, batch in enumerate(batches, run.step + 1):
        if step == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)
        yield batch


def what_it_left(run):
    """Everything a run comes to, times aside."""
    lines = [
        {name: value for name, value in line.items() if name not in TIMES}
        for line in read_metrics(run.workdir.metrics)
    ]
    steps = run.checkpoints.steps()
    state, record = run.checkpoints.restore(steps[-1], jax.eval_shape(INIT))
    assert record["since_log"] == []
    return lines, steps, record["target_tokens"], state


def trained(path, *, stops=()):
    for stop in stops:
        with opened(path, CONFIG, INIT) as run:
            with pytest.raises(Preempted, match=f"stopped and saved after step {stop}"):
                run_to_end(looped(run), batches_of(run, stop_after=stop))
            assert run.checkpoints.steps()[-1] == stop
    with opened(path, CONFIG, INIT) as run:
        assert run.step == (stops[-1] if stops else 0)
        run_to_end(looped(run), batches_of(run))
        return what_it_left(run)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """What a run of 10 steps leaves that was never stopped."""
    return trained(tmp_path_factory.mktemp("straight"))


def test_what_is_due_is_logged_evaluated_and_saved(straight):
    lines, steps, _, state = straight
    assert [(line["kind"], line["step"]) for line in lines] == [
        ("train", 3),
        ("validation", 5),
        ("train", 6),
        ("train", 9),
        ("train", 10),
        ("validation", 10),
    ]
    assert steps == [8, 10]
    assert state.step == 10


@pytest.mark.parametrize("stops", [(5,), (9,), (1, 7, 8), (10,)])
def test_stopped_and_resumed_run_is_the_one_that_never_stopped(tmp_path, straight, stops):
    lines, steps, target_tokens, state = trained(tmp_path, stops=stops)
    assert lines == straight[0]
    assert steps == straight[1]
    assert target_tokens == straight[2]
    assert jax.tree.structure(state) == jax.tree.structure(straight[3])
    jax.tree.map(np.testing.assert_array_equal, state, straight[3])


def test_logged_rate_is_that_of_the_last_update(straight):
    rate = learning_rate(CONFIG)
    logged = {line["step"]: line["learning_rate"] for line in straight[0] if "loss" in line}
    assert logged == {step: float(rate(step - 1)) for step in (3, 6, 9, 10)}


def test_loop_that_was_interrupted_in_a_notebook_can_go_on(tmp_path, straight):
    """Ctrl-C in a cell leaves the objects of the session as they are: the next cell goes on."""
    with opened(tmp_path, CONFIG, INIT) as run:
        loop = looped(run)
        with pytest.raises(Preempted):
            run_to_end(loop, batches_of(run, stop_after=6))
        loop.stop = StopRequest(print)
        run_to_end(loop, batches_of(run))
        lines, steps, target_tokens, state = what_it_left(run)
    assert (lines, steps, target_tokens) == straight[:3]
    jax.tree.map(np.testing.assert_array_equal, state, straight[3])


def test_signal_during_evaluation_saves_at_once_and_the_evaluation_is_made_up_for(
    tmp_path, straight
):
    def interrupted(params, *, progress):
        os.kill(os.getpid(), signal.SIGTERM)
        progress(1, 100)
        raise AssertionError("the evaluation went on")

    with opened(tmp_path, CONFIG, INIT) as run:
        with pytest.raises(Preempted, match="after step 5"):
            run_to_end(looped(run, evaluate=interrupted), batches_of(run))
        assert run.checkpoints.steps()[-1] == 5
    with opened(tmp_path, CONFIG, INIT) as run:
        run_to_end(looped(run), batches_of(run))
        lines, steps, _, _ = what_it_left(run)
    assert lines == straight[0]
    assert steps == straight[1]


def test_logged_loss_is_the_mean_over_target_tokens(tmp_path):
    def step_fn(state, batch, rng):
        number = state.step + jnp.float32(1)
        metrics = {"loss": number, "nll": 2 * number, "gradient_norm": number, "skipped": 0}
        return state._replace(step=state.step + 1), {**metrics, "target_tokens": 10 * number}

    with opened(tmp_path, CONFIG, blank) as run:
        run_to_end(looped(run, step_fn=jax.jit(step_fn)), batches_of(run))
        first = read_metrics(run.workdir.metrics)[0]
    # Steps 1, 2 and 3 have losses 1, 2 and 3 over 10, 20 and 30 tokens.
    assert (first["step"], first["loss"], first["nll"]) == (3, 140 / 60, 280 / 60)
    assert run.target_tokens == 550


def blank():
    return TrainState(jnp.int32(0), {"table": jnp.zeros((V, V))}, ())


def test_run_goes_on_with_another_number_of_devices(tmp_path):
    """The data are the same, so all that differs is the order of additions."""
    loss_fn = functools.partial(batch_loss, apply_fn=bigram, label_smoothing=0.1)
    step_fn = functools.partial(train_step, loss_fn=loss_fn, optimizer=OPTIMIZER)

    def init():
        return blank()._replace(opt_state=OPTIMIZER.init(blank().params))

    def losses_and_params(path, stays):
        """What is logged and left by a run that moves to so many devices after each step named."""
        for devices, stop_after in stays:
            placement = Pmapped(jax.devices()[:devices])
            with opened(path, CONFIG, init) as run, contextlib.suppress(Preempted):
                loop = looped(run, CONFIG, placement.compile_train_step(step_fn), placement)
                run_to_end(loop, batches_of(run, stop_after=stop_after))
        with opened(path, CONFIG, init) as run:
            params = run.checkpoints.restore_params(10, jax.eval_shape(init).params)["table"]
            lines = read_metrics(run.workdir.metrics)
        return [line["loss"] for line in lines if line["kind"] == "train"], params

    moves = [(4, 2), (2, 5), (1, 7), (4, None)]
    moved, params = losses_and_params(tmp_path / "moved", moves)
    stayed, other = losses_and_params(tmp_path / "stayed", [(1, None)])
    np.testing.assert_allclose(moved, stayed, rtol=1e-5)
    np.testing.assert_allclose(params, other, rtol=1e-5, atol=1e-7)


def exploding(*bad_steps):
    """A step whose gradient is not finite where it leads to one of `bad_steps`."""

    def step_fn(state, batch, rng):
        bad = jnp.isin(state.step + 1, jnp.array(bad_steps))

        def loss_fn(params, batch, rng):
            loss, sums = LOSS_FN(params, batch, rng)
            return jnp.where(bad, jnp.nan, 1.0) * loss, sums

        return train_step(state, batch, rng, loss_fn=loss_fn, optimizer=OPTIMIZER)

    return ONE_DEVICE.compile_train_step(step_fn)


def test_update_that_is_not_finite_is_left_out_counted_and_named(tmp_path, straight, capsys):
    with opened(tmp_path / "run", CONFIG, INIT) as run:
        loop = looped(run, step_fn=exploding(10))
        loop.members[0].pairs_of = lambda step: [10 * step + n for n in range(9)]
        run_to_end(loop, batches_of(run))
        lines, steps, _, state = what_it_left(run)
    said = capsys.readouterr().err
    assert (
        "run: step 10: the loss or its gradient is not finite; its update is left out (1 in a "
        "row). Its batch is the training pairs 100, 101, 102, 103, 104, 105, 106, 107 and 1 more."
    ) in said
    trained = [line for line in lines if line["kind"] == "train"]
    assert [line["skipped_updates"] for line in trained] == [0, 0, 0, 1]
    assert ["loss" in line for line in trained] == [True, True, True, False]
    assert steps == [8, 10]
    nine = config(train={"num_steps": 9})
    with opened(tmp_path / "nine", nine, INIT) as run:
        run_to_end(looped(run, nine, step_fn=exploding(10)), batches_of(run, nine))
        before, _ = run.checkpoints.restore(9, jax.eval_shape(INIT))
    jax.tree.map(np.testing.assert_array_equal, state, before._replace(step=np.int32(10)))


def test_too_many_in_a_row_end_the_run_with_its_last_good_step(tmp_path):
    two = config(train={"max_skipped_in_a_row": 2, "log_every": 100})
    with opened(tmp_path, two, INIT) as run:
        with pytest.raises(Diverged) as raised:
            run_to_end(looped(run, two, step_fn=exploding(2, 3, 5, 6, 7)), batches_of(run, two))
        run.checkpoints.wait()
        assert run.checkpoints.steps() == [4]
        state, record = run.checkpoints.restore(4, jax.eval_shape(INIT))
    assert raised.value.exit_code == 6
    assert str(raised.value) == (
        f"{tmp_path.name}: The loss or its gradient is not finite, in more than "
        "train.max_skipped_in_a_row=2 steps in a row up to 7. The checkpoints before are intact. "
        "Lower train.learning_rate_scale or raise train.warmup_steps, in another --workdir."
    )
    assert (record["skipped_updates"], record["skipped_in_a_row"]) == (2, 0)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def test_updates_left_out_in_a_row_are_counted_across_a_stop(tmp_path):
    two = config(train={"max_skipped_in_a_row": 2})
    step_fn = exploding(4, 5, 6)
    with opened(tmp_path, two, INIT) as run, pytest.raises(Preempted):
        run_to_end(looped(run, two, step_fn=step_fn), batches_of(run, two, stop_after=4))
    with opened(tmp_path, two, INIT) as run:
        assert run.skipped_in_a_row == 1
        with pytest.raises(Diverged, match="in a row up to 6"):
            run_to_end(looped(run, two, step_fn=step_fn), batches_of(run, two))


class Pending:
    """A number that some device is still computing."""

    def __init__(self, done):
        self._done = done

    def block_until_ready(self):
        self._done.add(self)
        return self


def test_few_steps_are_handed_out_before_the_first_is_done(tmp_path):
    """So a request to stop never waits for more than those few."""
    handed, done, ahead = [], set(), []

    def step_fn(state, batch, rng):
        handed.append(Pending(done))
        return state, {"loss": handed[-1]}

    def batches(run):
        for batch in batches_of(run):
            ahead.append(len(handed) - len(done))
            yield batch

    never = ("num_steps", "log_every", "evaluate_every", "save_every")
    settings = config(train=dict.fromkeys(never, 1_000))
    too_early = pytest.raises(MachineFailed, match=r"^The batches ended after step 10 of 1,000\. ")
    with opened(tmp_path, settings, blank) as run, too_early:
        run_to_end(looped(run, settings, step_fn), batches(run))
    assert len(handed) == 10
    assert max(ahead) == STEPS_AHEAD


def lines_of(run):
    return [line for line in read_metrics(run.workdir.metrics) if line["kind"] == "train"]


def test_every_second_is_counted_in_one_phase(tmp_path, capsys):
    def slow(batches):
        time.sleep(0.3)
        yield from batches

    def evaluate(params, *, progress):
        time.sleep(0.2)
        return {"score": 1.0}

    with opened(tmp_path, CONFIG, INIT) as run:
        run_to_end(looped(run, evaluate=evaluate), slow(batches_of(run)))
        seconds, lines = run.clock.seconds(), lines_of(run)
    total = seconds.pop("total")
    assert sum(seconds.values()) == pytest.approx(total)
    assert all(passed > 0 for passed in seconds.values())
    assert seconds["data"] >= 0.3
    assert seconds["evaluating"] >= 0.4
    assert lines[-1]["seconds"] == pytest.approx(
        sum(lines[-1][f"seconds_{phase}"] for phase in seconds)
    )
    assert lines[0]["seconds_data"] >= 0.3
    (said,) = (line for line in capsys.readouterr().err.split("\n") if " in all: " in line)
    assert said.startswith(f"{int(total)}s in all: training ")


def test_waiting_for_batches_slows_the_rate_down(tmp_path):
    def slow(batches):
        for batch in batches:
            time.sleep(0.1)
            yield batch

    with opened(tmp_path, CONFIG, INIT) as run:
        run_to_end(looped(run), slow(batches_of(run)))
        assert all(line["target_tokens_per_second"] < 64 / 0.1 for line in lines_of(run))


def test_utilisation_is_of_all_steps_since_the_last_line_left_out_or_not(
    tmp_path, capsys, monkeypatch
):
    chip = TPUS["TPU v4"]._replace(flops=1e6)
    monkeypatch.setattr("experiment.training.throughput.chip_of", lambda kind: chip)
    monkeypatch.setattr("experiment.training.progress.Progress.update", Progress.say)
    asked = []
    with opened(tmp_path, CONFIG, INIT) as run:
        loop = looped(run, step_fn=exploding(5))
        loop.members[0].flops_of = lambda step: asked.append(step) or 1e3 * step
        run_to_end(loop, batches_of(run))
        first, second, *_ = lines_of(run)
        assert asked == list(range(1, 11))
        assert set(loop.members[0].overall_rates()) == set(RATES)
        assert asked == 2 * list(range(1, 11))
    took = [line["seconds_training"] + line["seconds_data"] for line in (first, second)]
    # Steps 4, 5 and 6; the line itself is written a moment after the rates are taken.
    assert second["mfu"] == pytest.approx(15e3 / (took[1] - took[0]) / 1e6, rel=0.05)
    assert f" target tokens/s  {second['mfu']:.0%} MFU  " in capsys.readouterr().err


def test_there_is_no_utilisation_where_the_peak_is_not_known(tmp_path, capsys):
    with opened(tmp_path, CONFIG, INIT) as run:
        loop = looped(run)
        loop.members[0].flops_of = lambda step: 1e3
        run_to_end(loop, batches_of(run))
        (line, *_) = lines_of(run)
    assert "mfu" not in line
    assert "MFU" not in capsys.readouterr().err
    assert line["target_tokens_per_second_per_device"] == line["target_tokens_per_second"] > 0


def test_rate_per_device_is_of_all_devices(tmp_path):
    loss_fn = functools.partial(batch_loss, apply_fn=bigram, label_smoothing=0.1)
    placement = Pmapped(jax.devices()[:4])
    step_fn = placement.compile_train_step(
        functools.partial(train_step, loss_fn=loss_fn, optimizer=OPTIMIZER)
    )

    def init():
        return blank()._replace(opt_state=OPTIMIZER.init(blank().params))

    with opened(tmp_path, CONFIG, init) as run:
        run_to_end(looped(run, CONFIG, step_fn, placement), batches_of(run))
        (line, *_) = lines_of(run)
    rate = line["target_tokens_per_second"]
    assert line["target_tokens_per_second_per_device"] == pytest.approx(rate / 4)


def test_trace_lies_in_the_workdir(tmp_path, capsys):
    with opened(tmp_path, CONFIG, INIT) as run:
        run_to_end(looped(run, profile=Profile(2, 4)), batches_of(run))
    assert len(list((tmp_path / "profile").rglob("*.xplane.pb"))) == 1
    assert f"steps 3 to 4 are traced in {tmp_path / 'profile'}. " in capsys.readouterr().err


def test_trace_is_written_when_the_run_is_stopped(tmp_path):
    with opened(tmp_path, CONFIG, INIT) as run, pytest.raises(Preempted):
        run_to_end(looped(run, profile=Profile(2, 9)), batches_of(run, stop_after=5))
    assert len(list((tmp_path / "profile").rglob("*.xplane.pb"))) == 1


class Scorer:
    """Scores with the parameters themselves."""

    def score(self, params, pairs, *, progress):
        return {"table": float(params["table"][0, 0])}, ["gut", "besser"]


def test_results_are_of_the_mean_of_the_newest_checkpoints(tmp_path, capsys):
    def step_fn(state, batch, rng):
        metrics = dict.fromkeys(("loss", "nll", "gradient_norm"), jnp.float32(1))
        metrics["skipped"] = 0
        params = jax.tree.map(lambda leaf: leaf + 1, state.params)
        after = TrainState(state.step + 1, params, ())
        return after, {**metrics, "target_tokens": jnp.float32(7)}

    with opened(tmp_path, CONFIG, blank) as run:
        loop = looped(run, step_fn=jax.jit(step_fn))
        run_to_end(loop, batches_of(run))
        pairs = [("good", "gut"), ("better", "am besten")]
        results = finish(loop.members[0], Scorer(), pairs, CONFIG, loop.stop)
        assert json.loads(run.workdir.results.read_text()) == results
        assert run.workdir.results_after(10) == results
    expected = {
        "table": 9.0,  # of steps 8 and 10
        "split": "test",
        "sentences": 2,
        "step": 10,
        "averaged_steps": [8, 10],
        "trained_together": 1,
        "target_tokens": 70,
        "num_params": V * V,
    }
    assert {name: results[name] for name in expected} == expected
    assert results["seconds"]["total"] == results["train_seconds"] > 0
    assert results["target_tokens_per_second"] > 0
    per_device = results["target_tokens_per_second_per_device"]
    assert per_device == results["target_tokens_per_second"]  # there is one
    assert "mfu" not in results
    assert results["commit"]
    said = capsys.readouterr().err
    assert "scoring test (2 pairs) with the mean of 2 checkpoints" in said
    assert said.count("(reference: ") == 1


def test_record_of_a_save_does_not_change_with_what_comes_after(tmp_path, monkeypatch):
    kept = []
    with opened(tmp_path, CONFIG, INIT) as run:
        monkeypatch.setattr(
            run.checkpoints, "save", lambda state, record, losses: kept.append(record["since_log"])
        )
        run_to_end(looped(run), batches_of(run))
    assert [len(since_log) for since_log in kept] == [1, 2, 0]
