import json
import pathlib

import pytest

from experiment.sweep import load_rows

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
TABLE_3 = str(CONFIGS / "table3.py")


def load(folder, *overrides, only=(), seeds=1, path=TABLE_3):
    return load_rows(path, overrides, only=only, folder=folder, seeds=seeds)


def finish(workdir, step):
    workdir.path.mkdir(parents=True, exist_ok=True)
    workdir.results.write_text(json.dumps({"step": step, "perplexity": 5.0}))


def test_all_rows_come_in_the_files_order_with_what_they_change(tmp_path):
    rows = load(tmp_path)
    assert [row.name for row in rows][:4] == ["base", "A1", "A2", "A3"]
    assert len(rows) == 20
    assert rows[0].changes == {}
    assert rows[1].changes == {"model.num_heads": 1}
    assert rows[1].published == {"perplexity": 5.29, "bleu": 24.9}
    assert rows[1].workdirs[0].path == tmp_path / "A1"


def test_chosen_rows_keep_the_first_to_be_compared_with(tmp_path):
    assert [row.name for row in load(tmp_path, only=["C2", "A1"])] == ["base", "A1", "C2"]


def test_a_flag_changes_every_row_and_is_no_change_of_a_row(tmp_path):
    rows = load(tmp_path, "--config.train.num_steps=7", only=["A1", "big"])
    assert [row.config.train.num_steps for row in rows] == [7, 7, 7]
    assert "train.num_steps" not in rows[2].changes


def test_each_seed_has_a_folder_of_its_own(tmp_path):
    (row, _) = load(tmp_path, "--config.seed=4", only=["A1"], seeds=2)
    assert [w.path for w in row.workdirs] == [tmp_path / "base/seed_4", tmp_path / "base/seed_5"]


def test_a_row_is_finished_when_every_seed_is(tmp_path):
    (row, *_) = load(tmp_path, seeds=2)
    assert (row.results(), row.state) == ([], "not started")
    finish(row.workdirs[0], 100_000)
    assert row.results() == []
    finish(row.workdirs[1], 99_999)  # of a shorter run
    assert row.results() == []
    finish(row.workdirs[1], 100_000)
    assert len(row.results()) == 2
    assert row.state == "finished"


def test_the_state_is_the_last_whole_line_of_the_log(tmp_path):
    (row, *_) = load(tmp_path)
    row.workdirs[0].path.mkdir()
    row.workdirs[0].metrics.write_text('{"step": 100}\n{"step": 200, "loss": 1}\n{"step": 3')
    assert (row.step, row.state) == (200, "at step 200")


@pytest.mark.parametrize(
    ("path", "only", "expected"),
    [
        (TABLE_3, ["Z1"], "--rows=Z1 is not in .*table3.py. It has base, A1, "),
        (f"{TABLE_3}:A1", [], "must be a file with several rows"),
        (str(CONFIGS / "numbers.py"), [], "must be a file with several rows"),
        ("nowhere.py", [], "nowhere.py is not a file"),
    ],
)
def test_what_is_no_sweep_is_refused(tmp_path, path, only, expected):
    with pytest.raises(ValueError, match=expected):
        load(tmp_path, path=path, only=only)


def test_a_folder_of_another_experiment_is_refused_before_anything_runs(tmp_path):
    (_, row) = load(tmp_path, only=["A1"])
    row.workdirs[0].write_config(row.config.resolved())
    load(tmp_path, only=["A1"])
    with pytest.raises(ValueError, match=r"A1 was trained with model\.d_ff=2048"):
        load(tmp_path, "--config.model.d_ff=64", only=["A1"])
