import json

import pytest

from experiment.training import Workdir, write_json, write_lines
from tests.made_up import config


@pytest.fixture
def workdir(tmp_path):
    workdir = Workdir(tmp_path / "runs" / "made_up")
    workdir.write_config(config().resolved())
    return workdir


def test_naming_a_folder_creates_nothing(tmp_path):
    workdir = Workdir(tmp_path / "run")
    workdir.check_belongs_to(config().resolved())
    assert workdir.results_after(10) is None
    assert list(tmp_path.iterdir()) == []


def test_config_is_read_as_it_was_written(workdir):
    assert workdir.read_config() == json.loads(json.dumps(config().resolved()))


def test_same_config_goes_on(workdir):
    workdir.check_belongs_to(config().resolved())


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model": {"d_ff": 64}}, "model.d_ff=32, this config has 64"),
        ({"model": {"d_k": 4}}, "model.d_k=None, this config has 4"),
        ({"seed": 3}, "seed=0, this config has 3"),
        ({"data": {"bucket_lengths": (8, 9)}}, "data.bucket_lengths=[8], this config has [8, 9]"),
        ({"train": {"label_smoothing": 0.0}}, "train.label_smoothing=0.1, this config has 0.0"),
    ],
)
def test_config_of_another_run_is_refused_by_name_and_values(workdir, change, named):
    with pytest.raises(ValueError) as refused:
        workdir.check_belongs_to(config(**change).resolved())
    assert str(refused.value) == (
        f"{workdir.path} was trained with {named}. Choose another --workdir."
    )


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"dir": "elsewhere"}},
        {
            "train": {
                "num_steps": 99,
                "log_every": 1,
                "evaluate_every": 1,
                "save_every": 1,
                "keep_checkpoints": 9,
            }
        },
        {"decode": {"beam_size": 1, "length_penalty": 1.0}},
        {"evaluation": {"test_split": "other", "average_checkpoints": 1}},
    ],
)
def test_what_nothing_computed_depends_on_may_change(workdir, change):
    workdir.check_belongs_to(config(**change).resolved())


def test_setting_that_is_none_any_more_is_refused(workdir):
    older = config().resolved()
    older["model"]["gone"] = 1
    workdir.write_config(older)
    with pytest.raises(ValueError, match=r"model\.gone is not a setting"):
        workdir.check_belongs_to(config().resolved())


def test_run_from_before_there_were_variants_is_the_papers(workdir):
    older = config().resolved()
    del older["model"]["positions"]
    workdir.write_config(older)
    workdir.check_belongs_to(config().resolved())
    with pytest.raises(ValueError, match=r"model\.positions=sinusoidal, this config has none"):
        workdir.check_belongs_to(config(model={"positions": "none"}).resolved())


def test_folder_without_a_run_says_how_to_train_one(tmp_path):
    with pytest.raises(ValueError) as refused:
        Workdir(tmp_path).read_config()
    assert str(refused.value) == (
        f"{tmp_path} holds no run (no config.json). Train one with "
        f"`python train.py --workdir={tmp_path}`, or name another --workdir."
    )


def test_file_in_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"must be a folder; .*file is a file"):
        Workdir(tmp_path / "file").check_belongs_to(config().resolved())


def test_results_are_those_of_a_run_that_took_all_steps(workdir):
    write_json(workdir.results, {"step": 10})
    assert workdir.results_after(10) == {"step": 10}
    assert workdir.results_after(11) is None


def test_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"step": 1})
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, {"step": 2, "rest": object()})
    assert json.loads(path.read_text()) == {"step": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_lines_are_written_as_they_are_whatever_the_locale(tmp_path):
    write_lines(tmp_path / "lines.txt", ["größer", "", "a\u2028b"])
    assert (tmp_path / "lines.txt").read_bytes() == "größer\n\na\u2028b\n".encode()
    assert list(tmp_path.iterdir()) == [tmp_path / "lines.txt"]


def test_file_that_is_no_json_any_more_is_named(workdir):
    workdir.config.write_text('{"seed": ')
    with pytest.raises(ValueError, match=r"config\.json is not a JSON object any more"):
        workdir.read_config()


COOLED = {"num_steps": 100, "cooldown_steps": 40}  # from step 60 on


@pytest.mark.parametrize(
    ("step", "change", "at_fault"),
    [
        (50, {"num_steps": 200}, False),  # begins later
        (50, {"num_steps": 95}, False),
        (50, {"cooldown_steps": 0}, False),
        (60, {"num_steps": 200}, False),
        (70, {}, False),
        (100, {}, False),
        (70, {"num_steps": 200}, True),  # has begun
        (100, {"num_steps": 200}, True),
        (70, {"cooldown_steps": 0}, True),
        (50, {"num_steps": 80}, True),  # would have begun
        (50, {"cooldown_steps": 60}, True),
    ],
)
def test_another_cooldown_is_refused_where_a_step_was_taken_in_either(
    tmp_path, step, change, at_fault
):
    workdir = Workdir(tmp_path / "run")
    workdir.write_config(config(train=COOLED).resolved())
    (workdir.checkpoints / str(step) / "params").mkdir(parents=True)
    now = config(train=COOLED | change).resolved()
    if not at_fault:
        workdir.check_belongs_to(now)
        return
    with pytest.raises(ValueError) as refused:
        workdir.check_belongs_to(now)
    assert str(refused.value).startswith(
        f"{workdir.path} is at step {step}, and its learning rate cools down from step 60 to 100; "
        "with this config it "
    )


def test_a_run_without_a_cooldown_may_get_one_at_its_end(tmp_path):
    workdir = Workdir(tmp_path / "run")
    workdir.write_config(config(train={"num_steps": 60}).resolved())
    workdir.check_belongs_to(config(train=COOLED).resolved())
