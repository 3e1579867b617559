import dataclasses
import json

import pytest

from experiment.sweep.rows import Row
from experiment.sweep.scores import Measured, RowScores, agreement, score_rows, spearman
from experiment.training import PlannedRun, Workdir
from tests.made_up import config

REFERENCES = [f"the {a} sat on the {b} and saw {a}" for a in ("cat", "dog") for b in "abcdefgh"]


def row(tmp_path, name, translations=None, *, seeds=1, perplexity=(5.0, 7.0)):
    """A row whose seeds are finished if there are translations."""
    workdirs = tuple(Workdir(tmp_path / name / f"seed_{seed}") for seed in range(seeds))
    for seed, workdir in enumerate(workdirs if translations else ()):
        workdir.path.mkdir(parents=True)
        workdir.translations.write_text("".join(f"{line}\n" for line in translations))
        bleu = 30.0 + 10 * seed
        results = {"perplexity": perplexity[seed], "sacrebleu": bleu, "tokenized_bleu": bleu + 1}
        results |= {"step": 10, "num_params": 1_234, "train_seconds": 60.0}
        workdir.results.write_text(json.dumps(results))
    changes = {} if name == "base" else {"model.num_heads": 1}
    runs = tuple(PlannedRun(workdir, config()) for workdir in workdirs)
    return Row(name, config(), changes, {"bleu": 25.0}, runs)


def test_a_row_that_is_not_finished_has_no_score(tmp_path):
    base, other = score_rows([row(tmp_path, "base", REFERENCES), row(tmp_path, "A")], REFERENCES)
    assert base.perplexity == Measured(5.0, None)
    assert other.perplexity is other.sacrebleu is other.against_first is None
    assert (other.changes, other.published, other.steps) == ("num_heads 1", {"bleu": 25.0}, 10)


def test_seeds_give_a_mean_and_a_deviation(tmp_path):
    (scores,) = score_rows([row(tmp_path, "base", REFERENCES, seeds=2)], REFERENCES)
    assert scores.perplexity.mean == 6.0
    assert scores.perplexity.deviation == pytest.approx(2**0.5)
    assert scores.sacrebleu.mean == 35.0
    assert scores.minutes == 2.0


def test_rows_are_compared_with_the_first_by_their_translations(tmp_path):
    worse = [line.replace("sat on", "lay under") for line in REFERENCES[::2]]
    worse = [line for pair in zip(worse, REFERENCES[1::2], strict=True) for line in pair]
    rows = [
        row(tmp_path, "base", REFERENCES),
        row(tmp_path, "same", REFERENCES),
        row(tmp_path, "worse", worse),
    ]
    base, same, other = (scores.against_first for scores in score_rows(rows, REFERENCES))
    assert (base.p_value, base.difference) == (None, 0.0)
    assert (same.p_value, same.difference) == (1.0, 0.0)
    assert other.p_value < 0.05
    assert other.difference < 0
    assert 0 < other.difference_half_width < -other.difference


def test_without_the_first_row_nothing_is_compared(tmp_path):
    _, other = score_rows([row(tmp_path, "base"), row(tmp_path, "A", REFERENCES)], REFERENCES)
    assert other.sacrebleu.mean == 30.0
    assert other.against_first is None


def scored(name, ours, theirs):
    return RowScores(name, "", 1, 100, 1, {"perplexity": theirs}, perplexity=Measured(ours, None))


def test_perplexities_of_another_vocabulary_are_not_compared():
    rows = [scored("base", 5.0, 4.9), scored("A", 6.0, 5.3), scored("B", 7.0, 5.5)]
    assert agreement(rows, "perplexity").same == ("A", "B")
    rows.append(dataclasses.replace(scored("C", 1.0, 9.0), pieces=200))
    assert agreement(rows, "perplexity").opposite == ()


def test_seeds_trained_together_share_their_minutes(tmp_path):
    members = row(tmp_path, "base", REFERENCES, seeds=2)
    for run in members.runs:
        results = json.loads(run.workdir.results.read_text()) | {"trained_together": 2}
        run.workdir.results.write_text(json.dumps(results))
    (scores,) = score_rows([members], REFERENCES)
    assert scores.minutes == 1.0


def test_agreement_counts_sides_of_the_first_row():
    rows = [
        scored("base", 5.0, 4.9),
        scored("A", 6.0, 5.3),
        scored("B", 6.0, 4.6),
        scored("C", 4.0, 4.0),
        scored("D", 5.5, 4.9),
    ]
    found = agreement(rows, "perplexity")
    assert found.same == ("A", "C")
    assert found.opposite == ("B",)
    assert found.undecided == ("D",)


def test_agreement_needs_the_first_row_and_two_others():
    rows = [scored("base", 5.0, 4.9), scored("A", 6.0, 5.3)]
    assert agreement(rows, "perplexity") is None
    rows += [scored("B", 7.0, 5.5)]
    assert agreement(rows, "perplexity").correlation == pytest.approx(1.0)
    rows[0] = dataclasses.replace(rows[0], perplexity=None)
    assert agreement([*rows, scored("C", 1.0, 1.0)], "perplexity") is None


def test_rank_correlation_of_values_with_ties():
    # Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: covariance 4.5 / sqrt(4.5 * 5).
    assert spearman([1.0, 2.0, 2.0, 9.0], [3.0, 5.0, 7.0, 8.0]) == pytest.approx(
        4.5 / (4.5 * 5) ** 0.5
    )
