import dataclasses
import functools
import os
import shutil
import signal
import types

import jax
import numpy as np
import pytest

from experiment.training import (
    TIMES,
    Diverged,
    Loop,
    PlannedRun,
    Pmapped,
    Preempted,
    Progress,
    StopRequest,
    adam,
    batches_after,
    grouped,
    init_state,
    loss_of,
    open_members,
    read_metrics,
    runs_of,
    train_in_turn,
    train_step,
    write_json,
)
from experiment.training.seeds import common_step
from experiment.training.stacking import stacked, unstacked
from model.systems import training_flops
from model.transformer import Transformer
from tests.made_up import V, config, training_data, vocabulary

CONFIG = config()
MODEL = Transformer(CONFIG.model.system_config(V))
OPTIMIZER = adam(CONFIG)
INIT = jax.jit(functools.partial(init_state, MODEL, OPTIMIZER))
ONE_DEVICE = Pmapped(jax.devices()[:1])
STEP = functools.partial(
    train_step, loss_fn=loss_of(MODEL, CONFIG.train.label_smoothing), optimizer=OPTIMIZER
)
COMPILED = {members: ONE_DEVICE.compile_train_step(STEP, members) for members in (1, 2)}


def evaluate(params, *, progress):
    """A score that tells parameters apart."""
    progress(1, 1)
    return {"score": float(sum(np.abs(leaf).sum(dtype=float) for leaf in jax.tree.leaves(params)))}


def data_of(runs):
    return {run.name: training_data(run.config) for run in runs}


def trained(runs, *, stop_after=None, step_fn=None):
    """What the runs leave that are trained together; SIGTERM comes while a step is taken."""
    data = data_of(runs)
    members = open_members(runs, data, INIT, evaluate, Progress())
    loop = Loop(
        step_fn=step_fn or COMPILED[len(runs)],
        placement=ONE_DEVICE,
        config=runs[0].config.train,
        members=members,
        stop=StopRequest(members[0].progress.say),
    )

    def batches():
        for step, batch in enumerate(
            batches_after(loop.step, runs, data, ONE_DEVICE), loop.step + 1
        ):
            if step == stop_after:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    try:
        with loop.stop:
            loop.run_to_end(batches())
        return [left_by(member.run) for member in members]
    except Preempted:
        return loop.step
    finally:
        for member in members:
            member.close()


def left_by(run):
    """Everything a run comes to, times aside."""
    lines = [
        {name: value for name, value in line.items() if name not in TIMES}
        for line in read_metrics(run.workdir.metrics)
    ]
    steps = run.checkpoints.steps()
    state, record = run.checkpoints.restore(steps[-1], jax.eval_shape(INIT, jax.random.key(0)))
    return lines, steps, record["target_tokens"], record["config"]["seed"], state


def saved(run):
    return sorted(int(path.name) for path in run.workdir.checkpoints.glob("[0-9]*"))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """What two seeds leave that were trained together and never stopped."""
    return trained(runs_of(tmp_path_factory.mktemp("straight"), CONFIG, 2))


def assert_the_same(one, other):
    for ours, theirs in zip(one, other, strict=True):
        assert ours[:-1] == theirs[:-1]
        jax.tree.map(np.testing.assert_array_equal, ours[-1], theirs[-1])


def assert_close(lines, others):
    """Logged alike, and up to rounding the same."""
    for ours, theirs in zip(lines, others, strict=True):
        assert ours.keys() == theirs.keys()
        assert ours["kind"] == theirs["kind"]
        numbers = [name for name in ours if name != "kind"]
        np.testing.assert_allclose(
            [ours[name] for name in numbers], [theirs[name] for name in numbers], rtol=1e-4
        )


def test_each_member_is_what_it_is_alone_up_to_rounding(tmp_path, straight):
    for seed, together in enumerate(straight):
        alone_config = dataclasses.replace(CONFIG, seed=seed)
        (alone,) = trained(runs_of(tmp_path / str(seed), alone_config, 1))
        assert together[1:4] == alone[1:4]
        assert_close(together[0], alone[0])
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5),
            together[-1],
            alone[-1],
        )


def test_members_differ(straight):
    first, second = ([line["loss"] for line in left[0] if "loss" in line] for left in straight)
    assert all(abs(a - b) > 1e-3 for a, b in zip(first, second, strict=True))
    assert [left[3] for left in straight] == [0, 1]


@pytest.mark.parametrize("stop", [5, 9])
def test_stopped_and_resumed_together_is_never_stopped(tmp_path, straight, stop):
    runs = runs_of(tmp_path, CONFIG, 2)
    assert trained(runs, stop_after=stop) == stop
    assert [saved(run)[-1] for run in runs] == [stop, stop]
    assert_the_same(trained(runs), straight)


@pytest.mark.parametrize(("r_drop", "passes"), [(0.0, 1), (3.0, 2)])
def test_work_of_a_step_is_that_of_the_sentences_in_its_batch(tmp_path, r_drop, passes):
    runs = runs_of(tmp_path, config(train={"r_drop": r_drop}), 1)
    data = data_of(runs)
    (member,) = open_members(runs, data, INIT, evaluate, Progress())
    model = CONFIG.model.system_config(vocabulary().size)
    for step, batch in enumerate(batches_after(0, runs, data, ONE_DEVICE), 1):
        lengths = [
            ((source == segment).sum(), (target == segment).sum())
            for source, target in zip(batch.source_segments, batch.target_segments, strict=True)
            for segment in range(1, source.max() + 1)
        ]
        work = training_flops(model, *np.array(lengths).T).sum()
        assert member.flops_of(step) == passes * work > 0
    member.close()


@pytest.mark.parametrize(("stop", "behind"), [(5, 4), (2, None)])
def test_member_that_is_a_checkpoint_behind_takes_the_others_back(tmp_path, straight, stop, behind):
    runs = runs_of(tmp_path, CONFIG, 2)
    trained(runs, stop_after=stop)
    shutil.rmtree(runs[1].workdir.checkpoints / str(stop))
    assert saved(runs[1]) == ([behind] if behind else [])
    assert saved(runs[0])[-1] == stop
    assert_the_same(trained(runs), straight)


def test_member_goes_on_alone(tmp_path, straight):
    runs = runs_of(tmp_path, CONFIG, 2)
    trained(runs, stop_after=5)
    (alone,) = trained(runs[1:])
    assert_close(alone[0], straight[1][0])
    assert alone[1:4] == straight[1][1:4]


def test_member_that_diverges_is_named_and_nothing_of_it_is_saved(tmp_path):
    def step_fn(state, batch, rng):
        state, metrics = COMPILED[2](state, batch, rng)
        bad = np.array([False, int(state.step[0]) == 7])
        return state, {**metrics, "skipped": bad}

    runs = runs_of(tmp_path, config(train={"max_skipped_in_a_row": 0}), 2)
    with pytest.raises(Diverged, match=r"^seed_1: The loss or its gradient is not fin") as raised:
        trained(runs, step_fn=step_fn)
    assert raised.value.names == ["seed_1"]
    assert [saved(run) for run in runs] == [[4], [4]]


def test_what_is_said_is_of_all_members(tmp_path, capsys):
    runs = runs_of(tmp_path, CONFIG, 2)
    trained(runs)
    headline, *said = [line for line in capsys.readouterr().err.split("\n") if " ..." not in line]
    assert headline.startswith(f"{tmp_path}: seed_0, seed_1 together, each ")
    assert headline.endswith(" starts, 10 steps in all")
    scores = [line for line in said if "validation" in line]
    assert [line.split("  ")[2].split(":")[0] for line in scores] == ["seed_0", "seed_1"] * 2


def test_progress_is_the_mean_loss_and_the_rate_of_all(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("experiment.training.progress.Progress.update", Progress.say)
    runs = runs_of(tmp_path, CONFIG, 2)
    trained(runs)
    (line,) = (line for line in capsys.readouterr().err.split("\n") if "step 3/10" in line)
    firsts = [read_metrics(run.workdir.metrics)[0] for run in runs]
    assert f"loss {np.mean([first['loss'] for first in firsts]):.3f}" in line
    rate = sum(first["target_tokens_per_second"] for first in firsts)
    assert f"  {rate:,.0f} target tokens/s" in line


def test_stacking_is_undone():
    trees = [{"a": np.full((2, 3), k), "b": np.int32(k)} for k in range(3)]
    together = stacked(trees)
    assert (together["a"].shape, together["b"].shape) == ((3, 2, 3), (3,))
    jax.tree.map(np.testing.assert_array_equal, unstacked(together, 3), trees)
    assert stacked(trees[:1]) is trees[0]


@pytest.mark.parametrize(
    ("steps", "step"),
    [
        ([[], []], 0),
        ([[4, 8], [4, 8]], 8),
        ([[8, 12], [4, 8]], 8),
        ([[3], []], 0),  # asked to stop after 3, and killed
        ([[8], []], None),  # another seed was asked for
        ([[12], [8]], None),  # only one checkpoint is kept
        ([[4, 8, 12], [4]], None),  # one went on alone
        ([[4, 6]], 6),
        ([[]], 0),
    ],
)
def test_step_to_go_on_from_loses_no_more_than_one_save(steps, step):
    assert common_step(steps, save_every=4) == step


def groups(runs, placement=ONE_DEVICE):
    said = []
    found = grouped(runs, data_of(runs), placement, said.append)
    return [[run.name for run in group] for group in found], said


def test_small_runs_train_together(tmp_path):
    assert groups(runs_of(tmp_path, CONFIG, 3)) == ([["seed_0", "seed_1", "seed_2"]], [])


def test_as_many_train_together_as_the_cache_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("experiment.training.together.IN_CACHE", 2 * 64 * 16)
    runs = runs_of(tmp_path, CONFIG, 3)
    assert groups(runs) == ([["seed_0", "seed_1"], ["seed_2"]], [])
    runs[0].workdir.write_config(runs[0].config.resolved())
    write_json(runs[0].workdir.results, {"step": 10})
    assert groups(runs) == ([["seed_1"], ["seed_2"]], [])


@pytest.mark.parametrize(
    ("change", "devices", "reason"),
    [
        (
            {"data": {"batching": "bucketed", "bucket_lengths": (4, 8)}},
            1,
            "batches in buckets differ in shape",
        ),
        ({}, 4, "a step is spread over 4 devices"),
        (
            {"train": {"tokens_per_batch": 4_096}},
            1,
            "on a CPU, two steps of 4,096 tokens x 16 are no faster at once",
        ),
    ],
)
def test_one_trains_after_another_for_a_reason(tmp_path, change, devices, reason):
    runs = runs_of(tmp_path, config(**change), 2)
    apart, said = groups(runs, Pmapped(jax.devices()[:devices]))
    assert apart == [["seed_0"], ["seed_1"]]
    assert said == [f"one seed after another, not together: {reason}"]
    assert groups(runs[:1], Pmapped(jax.devices()[:devices])) == ([["seed_0"]], [])


@pytest.mark.parametrize(
    ("tokens", "r_drop", "sizes", "said"),
    [
        (43_690, 0.0, [3], []),
        (65_536, 0.0, [2, 1], []),
        (32_768, 3.0, [2, 1], []),
        (
            131_072,
            0.0,
            [1, 1, 1],
            [
                "one seed after another, not together: two steps of 131,072 tokens x 16 might not "
                "fit into the device's memory"
            ],
        ),
    ],
)
def test_as_many_train_together_as_an_accelerator_surely_holds(
    tmp_path, tokens, r_drop, sizes, said
):
    accelerator = Pmapped(jax.devices()[:1])
    accelerator.devices = [types.SimpleNamespace(platform="gpu")]
    runs = runs_of(tmp_path, CONFIG, 3)
    data = data_of(runs)  # of small batches: what is planned here is never made
    large = config(train={"tokens_per_batch": tokens, "r_drop": r_drop})
    runs = [run._replace(config=dataclasses.replace(large, seed=run.config.seed)) for run in runs]
    found = []
    together = grouped(runs, data, accelerator, found.append)
    assert ([len(group) for group in together], found) == (sizes, said)


def in_turn(groups, diverging):
    """What is begun, said, and returned or raised where the runs named `diverging` do so."""
    begun, said = [], []

    def train(group):
        begun.extend(run.name for run in group)
        if names := [run.name for run in group if run.name in diverging]:
            raise Diverged(names, f"{', '.join(names)}: not finite")
        return {run.name: {"step": 10} for run in group}

    try:
        return begun, said, train_in_turn(groups, train, said.append)
    except Diverged as error:
        return begun, said, error


def test_run_that_diverges_keeps_no_other_group_from_being_trained(tmp_path):
    first, second, third, fourth = runs_of(tmp_path, config(seed=4), 4)
    begun, said, error = in_turn([[first, second], [third], [fourth]], {"seed_5", "seed_6"})
    assert begun == ["seed_4", "seed_5", "seed_6", "seed_7"]
    assert said == ["seed_5: not finite", "seed_6: not finite"]
    assert error.names == ["seed_5", "seed_6"]
    assert str(error) == (
        "seed_5, seed_6 diverged: the loss or its gradient is not finite any more. Stopped with "
        "what they were trained together with: seed_4; their checkpoints are intact. "
        f"--workdir={tmp_path / 'seed_4'} --config.seed=4 goes on with seed_4 alone."
    )


def test_run_that_diverges_alone_is_told_of_once(tmp_path):
    _, said, error = in_turn([runs_of(tmp_path, CONFIG, 1)], {tmp_path.name})
    assert (said, str(error)) == ([], f"{tmp_path.name}: not finite")


def test_results_are_those_of_all_groups(tmp_path):
    first, second, third = runs_of(tmp_path, CONFIG, 3)
    _, said, results = in_turn([[first, second], [third]], {})
    assert (list(results), said) == (["seed_0", "seed_1", "seed_2"], [])


def test_being_asked_to_stop_stops_all_groups_at_once(tmp_path):
    begun = []

    def train(group):
        begun.append(group)
        raise Preempted("stopped")

    with pytest.raises(Preempted):
        train_in_turn([[run] for run in runs_of(tmp_path, CONFIG, 2)], train, print)
    assert len(begun) == 1


def test_runs_saved_at_different_steps_train_one_after_another(tmp_path):
    runs = runs_of(tmp_path, CONFIG, 2)
    trained(runs, stop_after=9)
    shutil.rmtree(runs[1].workdir.checkpoints)
    assert groups(runs) == (
        [["seed_0"], ["seed_1"]],
        ["one seed after another, not together: seed_0, seed_1 were saved at different steps"],
    )


def test_seeds_have_folders_of_their_own_and_one_has_none(tmp_path):
    five = config(seed=5)
    assert [(run.workdir.path, run.config.seed) for run in runs_of(tmp_path, five, 2)] == [
        (tmp_path / "seed_5", 5),
        (tmp_path / "seed_6", 6),
    ]
    (one,) = runs_of(tmp_path, five, 1)
    assert isinstance(one, PlannedRun)
    assert (one.workdir.path, one.config) == (tmp_path, five)
    assert list(tmp_path.iterdir()) == []


def written(path):
    (run,) = runs_of(path, CONFIG, 1)
    run.workdir.write_config(CONFIG.resolved())


def test_folder_of_a_single_run_takes_no_seeds(tmp_path):
    written(tmp_path)
    with pytest.raises(ValueError) as refused:
        runs_of(tmp_path, CONFIG, 3)
    assert str(refused.value) == (
        f"{tmp_path} holds a single run. Leave out --seeds=3 to go on with it, or choose another "
        "--workdir."
    )


def test_folder_of_several_seeds_takes_no_single_run(tmp_path):
    written(tmp_path / "seed_0")
    with pytest.raises(ValueError) as refused:
        runs_of(tmp_path, CONFIG, 1)
    assert str(refused.value) == (
        f"{tmp_path} holds runs of several seeds (seed_0). Give --seeds to go on with them, "
        f"--workdir={tmp_path / 'seed_0'} and its --config.seed to go on with one, or choose "
        "another --workdir."
    )


def test_seed_folder_of_another_config_is_refused(tmp_path):
    written(tmp_path / "seed_0")
    with pytest.raises(ValueError, match=r"seed_0 was trained with model\.d_ff=32, this config"):
        runs_of(tmp_path, config(model={"d_ff": 64}), 2)


def test_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"must be a folder; .*file is a file"):
        runs_of(tmp_path / "file", CONFIG, 2)
