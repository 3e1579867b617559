import json
import pathlib

import pytest

from experiment.sweep import chosen, load_rows

CONFIGS = pathlib.Path(__file__).parents[2] / "configs"
TABLE_3 = str(CONFIGS / "table3.py")


def load(folder, *overrides, only="", seeds=1, path=TABLE_3):
    return chosen(load_rows(path, overrides, folder=folder, seeds=seeds), only)


def finish(run, step):
    run.workdir.write_config(run.config.resolved())
    run.workdir.results.write_text(json.dumps({"step": step, "perplexity": 5.0}))


def test_all_rows_come_in_the_files_order_with_what_they_change(tmp_path):
    rows = load(tmp_path)
    assert [row.name for row in rows][:4] == ["base", "A1", "A2", "A3"]
    assert len(rows) == 20
    assert rows[0].changes == {}
    assert rows[1].changes == {"model.num_heads": 1}
    assert rows[1].published == {"perplexity": 5.29, "bleu": 24.9}
    assert rows[1].runs[0].workdir.path == tmp_path / "A1"


def test_chosen_rows_keep_the_first_to_be_compared_with(tmp_path):
    assert [row.name for row in load(tmp_path, only="C2,A1")] == ["base", "A1", "C2"]


def test_a_flag_changes_every_row_and_is_no_change_of_a_row(tmp_path):
    rows = load(tmp_path, "--config.train.num_steps=7", only="A1,big")
    assert [row.config.train.num_steps for row in rows] == [7, 7, 7]
    assert "train.num_steps" not in rows[2].changes


def test_a_row_costs_its_tokens_times_its_weights_in_each_pass(tmp_path):
    base, half = (
        load(tmp_path, f"--config.train.num_steps={steps}", only="base")[0] for steps in (200, 100)
    )
    twice = load(tmp_path, "--config.train.num_steps=100", "--config.train.r_drop=5", only="base")
    assert base.cost == 2 * half.cost == twice[0].cost > 0


def test_each_seed_has_a_folder_of_its_own(tmp_path):
    (row, _) = load(tmp_path, "--config.seed=4", only="A1", seeds=2)
    folders = [run.workdir.path for run in row.runs]
    assert folders == [tmp_path / "base/seed_4", tmp_path / "base/seed_5"]
    assert [run.config.seed for run in row.runs] == [4, 5]


def test_a_row_is_finished_when_every_seed_is(tmp_path):
    (row, *_) = load(tmp_path, seeds=2)
    assert (row.results(), row.state) == ([], "not started")
    finish(row.runs[0], 100_000)
    assert row.results() == []
    finish(row.runs[1], 99_999)  # of a shorter run
    assert row.results() == []
    finish(row.runs[1], 100_000)
    assert len(row.results()) == 2
    assert row.state == "finished"


def test_the_state_is_the_last_whole_line_of_the_log(tmp_path):
    (row, *_) = load(tmp_path)
    workdir = row.runs[0].workdir
    workdir.path.mkdir()
    workdir.metrics.write_text('{"step": 100}\n{"step": 200, "loss": 1}\n{"step": 3')
    assert (row.step, row.state) == (200, "at step 200")


@pytest.mark.parametrize(
    ("path", "only", "expected"),
    [
        (TABLE_3, "Z1", "--rows=Z1 is no row of the config. It has base, A1, "),
        (f"{TABLE_3}:A1", "", "must be a file with several rows"),
        (str(CONFIGS / "numbers.py"), "", "must be a file with several rows"),
        ("nowhere.py", "", "nowhere.py is not a file"),
    ],
)
def test_what_is_no_sweep_is_refused(tmp_path, path, only, expected):
    with pytest.raises(ValueError, match=expected):
        load(tmp_path, path=path, only=only)


def test_a_folder_of_another_experiment_is_refused_before_anything_runs(tmp_path):
    (_, row) = load(tmp_path, only="A1")
    row.runs[0].workdir.write_config(row.config.resolved())
    load(tmp_path, only="A1")
    with pytest.raises(ValueError, match=r"A1 was trained with model\.d_ff=2048"):
        load(tmp_path, "--config.model.d_ff=64", only="A1")


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        (
            "--config.decode.beam_size=1",
            r"A1 is finished with decode\.beam_size=4, this sweep has 1",
        ),
        ("--config.evaluation.test_split=test", r"evaluation\.test_split=validation, this sweep"),
        ("--config.train.num_steps=7", r"train\.num_steps=100000, this sweep has 7"),
    ],
)
def test_results_of_other_settings_are_not_taken_for_these(tmp_path, flag, expected):
    (_, row) = load(tmp_path, only="A1")
    finish(row.runs[0], 100_000)
    load(tmp_path, "--config.train.log_every=7")
    with pytest.raises(ValueError, match=expected):
        load(tmp_path, flag)


def test_a_finished_row_may_go_on_for_longer(tmp_path):
    (_, row) = load(tmp_path, only="A1")
    finish(row.runs[0], 100_000)
    (_, longer) = load(tmp_path, "--config.train.num_steps=200_000", only="A1")
    assert longer.results() == []


def test_another_number_of_seeds_in_the_same_folder_is_refused(tmp_path):
    (_, row) = load(tmp_path, only="A1", seeds=2)
    finish(row.runs[0], 100_000)
    with pytest.raises(ValueError, match="A1 holds runs of several seeds"):
        load(tmp_path)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"must be a folder; .*file is a file"):
        load(tmp_path / "file")


def test_rows_on_different_text_are_not_compared(tmp_path):
    config = tmp_path / "rows.py"
    config.write_text(
        "from configs import numbers\n"
        "BACK = {'data.source_language': 'de', 'data.target_language': 'en'}\n"
        "ROWS = {'there': {}, 'back': BACK}\n"
        "def get_config(row='there'):\n"
        "    config = numbers.get_config()\n"
        "    config.update_from_flattened_dict(ROWS[row])\n"
        "    return config\n"
    )
    with pytest.raises(ValueError, match=r"Row back has data\.source_language=de, and row there"):
        load(tmp_path / "runs", path=str(config))
