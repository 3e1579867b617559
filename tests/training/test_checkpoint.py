import contextlib
import errno
import functools
import itertools
import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from orbax.checkpoint import v1 as orbax_v1

from experiment.errors import MachineFailed, NoGoodCheckpoint, NotFinite
from experiment.training import (
    Checkpoints,
    CheckpointWriter,
    Damaged,
    Gone,
    Retention,
    TrainState,
    seal,
)
from experiment.training.checkpoint import manifest, storage, writer
from experiment.training.checkpoint.manifest import array_digest, commit, digests_of

OPTIMIZER = optax.adam(optax.constant_schedule(1e-3))


def init(rng):
    """A state with two types of numbers, and an optimizer that holds more than arrays."""
    params = {
        "embedding": jax.random.normal(rng, (5, 3)),
        "layer_0": {"kernel": jax.random.normal(rng, (3,)).astype(jnp.bfloat16)},
    }
    return TrainState(jnp.zeros((), jnp.int32), params, OPTIMIZER.init(params))


ABSTRACT = jax.eval_shape(init, jax.random.key(0))


@functools.cache
def state(step):
    """The state of `step`, unlike those of others in every number."""
    start = jax.jit(init)(jax.random.key(step))
    _, opt_state = OPTIMIZER.update(start.params, start.opt_state, start.params)
    return jax.device_get(start._replace(step=jnp.int32(step), opt_state=opt_state))


def saved(directory: pathlib.Path, *steps: int, keep: int = 9, every: int = 1, **record):
    with writing(directory, newest=keep, save_every=every) as checkpoints:
        for step in steps:
            checkpoints.save(state(step), record)


def opened(directory, say=None):
    return contextlib.nullcontext(Checkpoints(directory, say=say))


def writing(directory, say=None, *, newest=9, **retention):
    retention = Retention(newest=newest, **retention)
    return contextlib.closing(CheckpointWriter(directory, retention, say=say))


def assert_equal(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for our, their in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert our.dtype == their.dtype
        np.testing.assert_array_equal(our, their)


def steps_in(directory):
    return sorted(int(path.name) for path in directory.glob("[0-9]*"))


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """The checkpoints of steps 1, 2 and 3, opened to be read."""
    directory = tmp_path_factory.mktemp("checkpoints")
    saved(directory, 1, 2, 3, seed=7, since_log=[{"loss": 0.1}])
    with opened(directory) as checkpoints:
        yield checkpoints


@pytest.fixture
def folder(tmp_path):
    """Where the checkpoints of steps 1, 2 and 3 of a run lie."""
    saved(tmp_path / "run" / "checkpoints", 1, 2, 3, seed=7)
    return tmp_path / "run" / "checkpoints"


def test_state_comes_back_bit_for_bit(three):
    restored, _ = three.restore(2, ABSTRACT)
    assert_equal(restored, state(2))
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(restored))


def test_newest_comes_back_with_its_step(three):
    newest = three.newest(ABSTRACT)
    assert newest.step == 3
    assert_equal(newest.state, state(3))


def test_record_comes_back_with_the_state_and_alone(three):
    record = {"seed": 7, "since_log": [{"loss": 0.1}]}
    assert three.restore(1, ABSTRACT)[1] == record
    assert three.record(3) == record


def test_params_can_be_read_without_the_rest(three):
    assert_equal(three.restore_params(3, ABSTRACT.params), state(3).params)


def test_mean_of_params_is_that_of_numpy(three):
    mean, steps, _ = three.mean(3, ABSTRACT.params)
    expected = jax.tree.map(
        lambda *leaves: np.mean([leaf.astype(np.float64) for leaf in leaves], 0).astype(
            leaves[0].dtype
        ),
        *(state(step).params for step in (3, 2, 1)),
    )
    assert steps == [1, 2, 3]
    assert_equal(mean, expected)


def test_mean_of_one_is_that_one(three):
    params, steps, _ = three.mean(1, ABSTRACT.params)
    assert_equal(params, state(3).params)
    assert steps == [3]


def test_mean_is_of_the_steps_that_were_due(tmp_path):
    saved(tmp_path, 2, 3, 4, 5, every=2)
    with opened(tmp_path) as checkpoints:
        assert checkpoints.mean(3, ABSTRACT.params, save_every=2).steps == [2, 4, 5]


def test_steps_are_ascending(three):
    assert three.steps() == [1, 2, 3]


def test_reading_creates_and_deletes_nothing(folder):
    before = sorted(folder.rglob("*"))
    with opened(folder) as checkpoints:
        checkpoints.restore(2, ABSTRACT)
        checkpoints.verify()
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([1, 2, 3, 4], [3, 4]),
        ([4, 6], [4, 6]),  # stopped after step 6
    ],
)
def test_only_the_newest_stay(tmp_path, steps, left):
    saved(tmp_path, *steps, keep=2)
    assert steps_in(tmp_path) == left


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([4, 6], [4, 6]),  # stopped after step 6
        ([4, 6, 8], [4, 8]),  # ... and resumed
        ([4, 6, 8, 12], [8, 12]),
        ([4, 8, 11], [8, 11]),
    ],
)
def test_step_of_a_stop_leaves_no_trace_once_there_is_a_newer_one(tmp_path, steps, left):
    saved(tmp_path, *steps, keep=2, every=4)
    assert steps_in(tmp_path) == left


def test_two_stay_even_if_one_is_asked_for(tmp_path):
    saved(tmp_path, 1, 2, 3, keep=1)
    assert steps_in(tmp_path) == [2, 3]


def test_best_and_those_kept_for_good_are_never_deleted_in_a_long_run():
    retention = Retention(newest=3, save_every=10, keep_every=400, best=2)
    losses = {step: abs(step - 333) / 100 for step in range(50, 1_001, 50)}
    there: list[int] = []
    for step in range(10, 1_001, 10):
        there.append(step)
        known = {scored: loss for scored, loss in losses.items() if scored < step}
        there = sorted(retention.kept(there, known))
        assert len(there) >= min(2, step // 10)
    assert there == [300, 350, 400, 800, 980, 990, 1_000]


def test_saving_a_step_again_changes_nothing(tmp_path):
    saved(tmp_path, 1, said="first")
    saved(tmp_path, 1, said="again")
    with opened(tmp_path) as checkpoints:
        assert checkpoints.record(1) == {"said": "first"}


def test_params_can_be_read_by_orbax_alone(folder):
    params = orbax_v1.load_checkpointables(folder / "3")["params"]
    assert_equal(jax.device_get(params), state(3).params)


# What a checkpoint must be.


def test_digest_is_of_numbers_shape_and_type():
    numbers = np.arange(6, dtype=np.float32)
    others = [
        numbers.reshape(2, 3),
        numbers.astype(np.float64),
        numbers.astype(jnp.bfloat16),
        np.nextafter(numbers, np.float32(9)),
        numbers[::-1],
    ]
    digests = {array_digest(array) for array in [numbers, *others]}
    assert len(digests) == 6
    assert array_digest(numbers[::-1]) == array_digest(numbers[::-1].copy())


def test_digest_does_not_depend_on_how_an_array_was_sharded():
    devices = jax.devices()[:4]
    numbers = np.random.default_rng(0).normal(size=(8, 4)).astype(np.float32)
    mesh = jax.sharding.Mesh(np.array(devices).reshape(2, 2), ("a", "b"))
    spec = jax.sharding.PartitionSpec("a", "b")
    sharded = jax.device_put(numbers, jax.sharding.NamedSharding(mesh, spec))
    assert digests_of({"params": {"x": sharded}}) == digests_of({"params": {"x": numbers}})


def test_every_array_has_a_digest(folder):
    content = json.loads((folder / "3" / "manifest.json").read_text())
    assert sorted(content["digests"]) == [
        "optimizer/opt_state/0/count",
        "optimizer/opt_state/0/mu/embedding",
        "optimizer/opt_state/0/mu/layer_0/kernel",
        "optimizer/opt_state/0/nu/embedding",
        "optimizer/opt_state/0/nu/layer_0/kernel",
        "optimizer/opt_state/1/count",
        "optimizer/step",
        "params/embedding",
        "params/layer_0/kernel",
        "run",
    ]


def contents(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path, byte, bit):
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def is_detected_or_harmless(folder):
    """Whether the newest state is that of step 3, or step 3 was noticed to be damaged."""
    said = []
    with opened(folder, said.append) as checkpoints:
        newest = checkpoints.newest(ABSTRACT)
    if newest.step == 3:
        assert said == []
        assert newest.record == {"seed": 7}
    else:
        assert said[0].startswith(f"{folder.parent}: the checkpoint of step 3 is damaged (")
        assert said[1] == f"{folder.parent}: using the checkpoint of step 2."
    assert_equal(newest.state, state(newest.step))
    return True


def test_bit_that_flips_is_detected_or_harmless(folder):
    """In every file of the newest step, at two places; `make chaos` flips in every byte."""
    random = np.random.default_rng(0)
    for path in contents(folder / "3"):
        whole = path.read_bytes()
        for byte in random.integers(len(whole), size=2):
            flip(path, byte, random.integers(8))
            assert is_detected_or_harmless(folder), f"{path}: bit {byte}"
            path.write_bytes(whole)
    with opened(folder) as checkpoints:
        assert checkpoints.verify() == [1, 2, 3]


def test_file_that_is_cut_off_or_gone_is_detected_or_harmless(folder):
    for path in contents(folder / "3"):
        whole = path.read_bytes()
        for length in {0, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:length])
            assert is_detected_or_harmless(folder), f"{path}: {length} bytes"
        path.unlink()
        with opened(folder) as checkpoints:
            assert checkpoints.newest(ABSTRACT).step == 2
        path.write_bytes(whole)


def change(manifest):
    """Changes a manifest that stays what JSON allows."""
    manifest.write_bytes(manifest.read_bytes().replace(b'"version": 1', b'"version": 2', 1))


def test_array_that_changed_is_named(folder):
    """As it is when a bit flips in memory before it is written: each file is what it should be."""
    step = folder / "3"
    (step / "manifest.json").unlink()
    commit(step, {"params": state(2).params, "run": {"seed": 7}})
    said = []
    with opened(folder, said.append) as checkpoints, pytest.raises(Damaged):
        checkpoints.restore_params(3, ABSTRACT.params)
    assert said == [
        f"{folder.parent}: the checkpoint of step 3 is damaged (the digest of params/embedding "
        "does not match)."
    ]


def test_changed_file_never_reaches_orbax(folder, monkeypatch):
    data = max(contents(folder / "3" / "params"), key=lambda path: path.stat().st_size)
    flip(data, 20, 3)
    monkeypatch.setattr(storage, "read", None)
    with opened(folder) as checkpoints:
        assert not checkpoints.is_whole(3)
        name = data.relative_to(folder / "3")
        assert checkpoints.damaged == {3: f"the digest of {name} does not match"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "manifest.json cannot be read"),
        (b'{"version": 1, "st', "manifest.json cannot be read"),
        (b"[]", "manifest.json cannot be read"),
        (b"{}", "manifest.json cannot be read"),
    ],
)
def test_torn_manifest_makes_no_checkpoint(folder, content, reason):
    (folder / "3" / "manifest.json").write_bytes(content)
    with opened(folder) as checkpoints:
        assert checkpoints.steps() == [1, 2]
        assert checkpoints.damaged == {3: reason}


def test_manifest_of_another_step_makes_no_checkpoint(folder):
    (folder / "3" / "manifest.json").write_bytes((folder / "2" / "manifest.json").read_bytes())
    with opened(folder) as checkpoints:
        assert checkpoints.steps() == [1, 2]
        assert checkpoints.damaged == {3: "manifest.json is that of step 2"}


def test_manifest_of_another_run_makes_no_checkpoint(folder, tmp_path):
    """Sizes fit; digests do not."""
    with writing(tmp_path / "o") as other:
        other.save(state(4)._replace(step=np.int32(3)), {"seed": 7})
    foreign = json.loads((tmp_path / "o" / "3" / "manifest.json").read_text())
    own = json.loads((folder / "3" / "manifest.json").read_text())
    assert foreign["digests"] != own["digests"]
    (folder / "3" / "manifest.json").write_bytes((tmp_path / "o/3/manifest.json").read_bytes())
    with opened(folder) as checkpoints:
        assert checkpoints.newest(ABSTRACT).step == 2
        assert list(checkpoints.damaged) == [3]


@pytest.mark.parametrize("name", ["4", "04", ".hidden", "four", "-4"])
def test_stray_folder_is_no_step(folder, name):
    (folder / name).mkdir()
    with opened(folder) as checkpoints:
        assert checkpoints.steps() == [1, 2, 3]
        assert checkpoints.damaged == {}
    saved(folder, 5)
    with opened(folder) as checkpoints:
        assert checkpoints.steps() == [1, 2, 3, 5]


INSTANTS = {
    "before anything of it is written": (storage, "write", 4, [1, 2, 3]),
    "before its manifest is written": (manifest, "commit", 4, [1, 2, 3]),
    "before it appears": (pathlib.Path, "rename", 4, [1, 2, 3]),
    "before the folder is flushed": (writer, "sync", 4, [1, 2, 3, 4]),
    "before an old one disappears": (pathlib.Path, "rename", 1, [1, 2, 3, 4]),
    "while an old one is deleted": (writer.shutil, "rmtree", 1, [2, 3, 4]),
}


class Killed(BaseException):
    """Nothing of the process goes on after it."""


def raising(error):
    raise error


@pytest.mark.parametrize("instant", INSTANTS)
def test_killed_while_it_saves_it_has_whole_checkpoints_only(folder, monkeypatch, instant):
    """Whatever had been done on disk by then; the random instants are those of `make chaos`."""
    where, name, step, left = INSTANTS[instant]
    done = getattr(where, name)

    def killed(*args, **changes):
        if pathlib.Path(args[0]).name.split(".")[0] == str(step) or name == "sync":
            raise Killed
        return done(*args, **changes)

    dying = CheckpointWriter(folder, Retention(newest=3))
    with monkeypatch.context() as until_then:
        until_then.setattr(where, name, killed)
        dying.save(state(4), {"seed": 7})
        in_background = dying._saving.written.exception()
        with pytest.raises(Killed):
            dying.wait() if in_background is None else raising(in_background)
    said = []
    with opened(folder, said.append) as checkpoints:
        assert checkpoints.verify() == left
    with writing(folder, said.append) as checkpoints:
        checkpoints.save(state(4), {"seed": 7})
        checkpoints.save(state(5), {"seed": 7})
    assert said == []
    assert not list(folder.glob(".unfinished/*"))
    with opened(folder) as checkpoints:
        assert checkpoints.verify()[-2:] == [4, 5]


def test_folders_that_lost_their_manifests_are_set_aside_and_never_deleted(folder):
    (folder / "3" / "manifest.json").unlink()
    said = []
    with writing(folder, said.append):
        assert steps_in(folder) == [1, 2]
    assert said == [
        f"{folder.parent}: the checkpoint of step 3 is damaged (manifest.json is missing).",
        f"step 3 is set aside as {folder.parent / 'damaged' / '3'}.",
    ]
    for step in (1, 2):
        (folder / str(step) / "manifest.json").unlink()
    with opened(folder) as checkpoints, pytest.raises(NoGoodCheckpoint, match=" seal "):
        checkpoints.newest(ABSTRACT)
    assert seal(folder) == [1, 2]
    with opened(folder) as checkpoints:
        assert checkpoints.verify() == [1, 2]


def test_damaged_step_is_set_aside_and_can_be_saved_again(folder):
    for number in range(2):
        change(folder / "3" / "manifest.json")
        said = []
        with writing(folder, said.append) as checkpoints:
            assert checkpoints.steps() == [1, 2]
            checkpoints.save(state(3), {"seed": 7})
        place = folder.parent / "damaged" / ("3-2" if number else "3")
        assert said[-1] == f"step 3 is set aside as {place}."
        assert (place / "manifest.json").exists()
        with opened(folder) as checkpoints:
            assert checkpoints.verify() == [1, 2, 3]


def test_no_checkpoint_is_left(folder):
    for step in (1, 2, 3):
        change(folder / str(step) / "manifest.json")
    with opened(folder) as checkpoints, pytest.raises(NoGoodCheckpoint) as raised:
        checkpoints.newest(ABSTRACT)
    assert raised.value.exit_code == 4
    assert str(raised.value) == (
        f"{folder.parent} has no checkpoint that is as it was written (step 1: manifest.json was "
        "changed; step 2: manifest.json was changed; step 3: manifest.json was changed). Put back "
        "a copy, or choose another --workdir. If they are whole and come from a program that wrote "
        f"no manifests, `python -m experiment.training.checkpoint seal {folder.parent}` takes them "
        "as they are."
    )


def test_mean_leaves_out_what_is_damaged(folder):
    data = max(contents(folder / "2" / "params"), key=lambda path: path.stat().st_size)
    data.write_bytes(b"")
    with opened(folder) as checkpoints:
        assert checkpoints.mean(2, ABSTRACT.params).steps == [1, 3]


def test_checkpoints_without_manifests_are_refused_until_they_are_sealed(tmp_path):
    """As a program wrote them that knew no manifests, or as they are copied in part."""
    folder = tmp_path / "checkpoints"
    optimizer = {"step": state(2).step, "opt_state": state(2).opt_state}
    items = {"params": state(2).params, "optimizer": optimizer, "run": {}}
    storage.write(folder / "2", items)
    with opened(folder) as checkpoints, pytest.raises(NoGoodCheckpoint, match="is missing"):
        checkpoints.newest(ABSTRACT)
    assert seal(folder) == [2]
    with opened(folder) as checkpoints:
        assert_equal(checkpoints.newest(ABSTRACT).state, state(2))
    assert seal(folder) == []


def test_state_of_another_model_is_refused_by_name(folder):
    wider = ABSTRACT.params | {"embedding": jax.ShapeDtypeStruct((5, 4), jnp.float32)}
    with opened(folder) as checkpoints, pytest.raises(ValueError) as raised:
        checkpoints.newest(ABSTRACT._replace(params=wider))
    assert str(raised.value) == (
        f"{folder}/3 is of another model: params/embedding is float32[5, 3] there, float32[5, 4] "
        "here. Choose another --workdir."
    )


def test_what_is_not_finite_is_not_saved(tmp_path):
    bad = jax.tree.map(np.array, state(1))
    bad.params["embedding"][2, 1] = np.nan
    with writing(tmp_path) as checkpoints:
        with pytest.raises(NotFinite, match=r"^params/embedding is not finite$"):
            checkpoints.save(bad, {})
        assert checkpoints.steps() == []


def test_what_is_not_finite_is_not_loaded(folder, monkeypatch):
    with monkeypatch.context() as unchecked:
        unchecked.setattr(writer, "check_finite", lambda items: None)
        bad = jax.tree.map(np.array, state(4))
        bad.params["embedding"][2, 1] = np.inf
        with writing(folder) as checkpoints:
            checkpoints.save(bad, {})
    with opened(folder) as checkpoints:
        assert checkpoints.newest(ABSTRACT).step == 3
        assert checkpoints.damaged == {4: "params/embedding is not finite"}


# What can go wrong in writing one.


def failing(monkeypatch, where, name, *numbers):
    """Makes the calls of a function with these numbers fail, counted from 1, as on a full disk."""
    calls = itertools.count(1)
    done = getattr(where, name)

    def sometimes(*args, **changes):
        if next(calls) in numbers:
            raise OSError(errno.ENOSPC, "No space left on device")
        return done(*args, **changes)

    monkeypatch.setattr(where, name, sometimes)


@pytest.mark.parametrize(("where", "name"), [(storage, "write"), (manifest, "commit")])
def test_failed_write_is_noticed_and_made_up_for(tmp_path, monkeypatch, where, name):
    failing(monkeypatch, where, name, 2)
    said = []
    with writing(tmp_path, said.append) as checkpoints:
        checkpoints.save(state(1), {})
        checkpoints.save(state(2), {})
        checkpoints.save(state(3), {})
    assert said == ["step 2 could not be saved ([Errno 28] No space left on device); trying again."]
    with opened(tmp_path) as checkpoints:
        assert checkpoints.verify() == [1, 2, 3]


def test_write_that_fails_twice_ends_the_run_before_the_next_is_begun(tmp_path, monkeypatch):
    failing(monkeypatch, manifest, "commit", 2, 3)
    with writing(tmp_path) as checkpoints:
        checkpoints.save(state(1), {})
        checkpoints.save(state(2), {})
        with pytest.raises(MachineFailed) as raised:
            checkpoints.save(state(3), {})
    assert raised.value.exit_code == 5
    assert str(raised.value).startswith(
        f"The checkpoint of step 2 could not be written to {tmp_path}: [Errno 28] No space left on "
        "device; it needs 0.0 MiB, "
    )
    assert str(raised.value).endswith(
        " MiB are free; step 1 is the newest that is whole. Make room or mend the disk; the same "
        "command goes on from there."
    )
    assert steps_in(tmp_path) == [1]


def test_folder_that_goes_away_is_noticed(tmp_path):
    folder = tmp_path / "checkpoints"
    with writing(folder) as checkpoints:
        checkpoints.save(state(1), {})
        checkpoints.wait()
        folder.rename(tmp_path / "elsewhere")
        folder.write_text("a file in its place")
        checkpoints.save(state(2), {})
        with pytest.raises(MachineFailed, match=r"^The checkpoint of step 2 could not be written"):
            checkpoints.wait()
        folder.unlink()
        (tmp_path / "elsewhere").rename(folder)
    with opened(folder) as checkpoints:
        assert checkpoints.verify() == [1]


def test_workdir_moved_away_in_the_middle_of_a_save_is_not_made_anew(tmp_path, monkeypatch):
    """By Orbax, which makes the folders that are missing above its own."""
    folder, write = tmp_path / "run" / "checkpoints", storage.write

    def move_then_write(place, items):
        (tmp_path / "run").rename(tmp_path / "moved")
        write(place, items)

    with writing(folder) as checkpoints:
        checkpoints.save(state(1), {})
        checkpoints.wait()
        monkeypatch.setattr(storage, "write", move_then_write)
        checkpoints.save(state(2), {})
        with pytest.raises(MachineFailed, match=f"{folder} is gone; put it back"):
            checkpoints.wait()
    assert not (tmp_path / "run").exists()
    with opened(tmp_path / "moved" / "checkpoints") as checkpoints:
        assert checkpoints.verify() == [1]


def test_another_run_that_began_under_the_name_of_one_moved_away_is_left_alone(
    tmp_path, monkeypatch
):
    folder, write = tmp_path / "run" / "checkpoints", storage.write
    others = folder / ".unfinished" / "7" / "params"

    def move_then_write(place, items):
        (tmp_path / "run").rename(tmp_path / "moved")
        others.mkdir(parents=True)
        write(place, items)
        monkeypatch.setattr(CheckpointWriter, "_try_again", lambda self, saving, error: fail(error))

    def fail(error):
        raise error

    with writing(folder) as checkpoints:
        monkeypatch.setattr(storage, "write", move_then_write)
        checkpoints.save(state(2), {})
        with pytest.raises(FileNotFoundError, match=f"{folder} is gone; put it back"):
            checkpoints.wait()
    assert others.is_dir()
    assert [path.name for path in others.parent.parent.iterdir()] == ["7"]


def test_old_step_that_cannot_be_deleted_takes_room_and_no_more(folder, monkeypatch):
    with monkeypatch.context() as locked:
        failing(locked, writer.shutil, "rmtree", 3)  # the first is of what was unfinished
        said = []
        with writing(folder, said.append, newest=3) as checkpoints:
            checkpoints.save(state(4), {"seed": 7})
    assert said == ["step 1 could not be deleted ([Errno 28] No space left on device)."]
    with opened(folder) as checkpoints:
        assert checkpoints.verify() == [2, 3, 4]


def test_error_of_the_machine_is_not_taken_for_damage(folder, monkeypatch):
    def unreadable(*args):  # as tensorstore says it
        raise ValueError("UNKNOWN: Error reading Byte range of local file: Input/output error")

    monkeypatch.setattr(storage, "read", unreadable)
    with opened(folder) as checkpoints:
        with pytest.raises(MachineFailed, match=r"run/checkpoints/3 could not be read: UNKNOWN"):
            checkpoints.newest(ABSTRACT)
        assert checkpoints.damaged == {}


def test_file_in_place_of_a_step_is_none(folder):
    (folder / "7").write_text("")
    with opened(folder) as checkpoints:
        assert (checkpoints.steps(), checkpoints.damaged) == ([1, 2, 3], {})


def test_step_that_is_deleted_while_it_is_read_is_gone_and_not_damaged(folder, monkeypatch):
    """By the run that is being trained, between a reader's listing it and reading it."""
    said = []
    monkeypatch.setattr(Checkpoints, "steps", lambda self: [1, 2, 3])
    shutil.rmtree(folder / "3")
    with opened(folder, said.append) as checkpoints:
        for look in (checkpoints.digest, checkpoints.record, checkpoints.check):
            with pytest.raises(Gone, match=r"the checkpoint of step 3 is gone\.$"):
                look(3)
        assert (said, checkpoints.damaged) == ([], {})
        assert checkpoints.mean(1, ABSTRACT.params).steps == [2]
        assert checkpoints.newest(ABSTRACT).step == 2
