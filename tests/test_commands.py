"""The three commands, end to end, on a made-up language."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

import evaluate
import train
import translate
from experiment.analysis import runs
from experiment.data import training_batches
from experiment.training import TIMES, read_metrics
from experiment.training.checkpoint import __main__ as checkpoint
from tests.made_up import config, training_data
from tests.tiny_run import ENVIRONMENT, ROOT, TINY, command, made_place, training, write_corpus

pytestmark = pytest.mark.slow

STEPS = TINY["train.num_steps"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the corpus, the cache, and the run."""
    return made_place(tmp_path_factory, "commands")


@pytest.fixture(scope="module")
def arguments(place):
    return functools.partial(training, place / "corpus", cache=place / "cache")


@pytest.fixture(scope="module")
def trained(place, arguments):
    """What the command said that trained the run, without being stopped."""
    return command("train.py", *arguments(workdir=place / "run"))


@pytest.fixture
def in_this_process(monkeypatch):
    """Keeps from the other tests what commands change of the process they run in."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_what_is_trained_is_the_loss_that_the_config_asks_for(rng):
    losses = []
    for r_drop in (0.0, 5.0, 10.0):
        wanted = config(train={"r_drop": r_drop})
        data = training_data(wanted)
        parts = train.parts(wanted, data)
        (batch,) = training_batches(data.train, data.plan, start_step=0, num_steps=1)
        _, metrics = jax.jit(parts["step_fn"])(parts["init"](rng), batch, rng)
        losses.append(float(metrics["loss"]))
    without, once, twice = losses
    # Both with R-Drop drop the same, so they differ by its divergence alone.
    assert twice - once > 1e-3
    assert once != without


def test_training_leaves_what_is_promised(place, trained):
    assert sorted(path.name for path in (place / "run").iterdir()) == [
        "checkpoints",
        "config.json",
        "metrics.jsonl",
        "results.json",
        "tensorboard",
        "translations.txt",
        "vocabulary.model",
    ]
    steps = sorted(int(path.name) for path in (place / "run" / "checkpoints").glob("[0-9]*"))
    assert steps == [240, 280, 300]


def test_results_are_printed_and_kept(place, trained):
    results = json.loads((place / "run" / "results.json").read_text())
    assert json.loads(trained.stdout) == results
    scores = {"sacrebleu", "tokenized_bleu", "chrf", "exact_match", "perplexity"}
    scores |= {f"{name}_signature" for name in ("sacrebleu", "tokenized_bleu", "chrf")}
    about = {"step", "train_seconds", "target_tokens_per_second", "num_params", "commit"}
    assert results.keys() >= scores | about
    assert (results["step"], results["sentences"]) == (STEPS, 4)
    assert results["averaged_steps"] == [240, 280, 300]


def test_translations_of_the_results_are_kept(place, trained, in_this_process, capsys, tmp_path):
    kept = (place / "run" / "translations.txt").read_bytes()
    assert kept.count(b"\n") == 4
    where = [f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}"]
    evaluate.main([*where, f"--output={tmp_path / 'again.txt'}"])
    assert (tmp_path / "again.txt").read_bytes() == kept


def test_training_learns(place, trained):
    losses = [
        line["nll"] for line in read_metrics(place / "run" / "metrics.jsonl") if "nll" in line
    ]
    assert losses[-1] < 0.5 * losses[0]


def test_config_that_was_run_is_written_down(place, trained):
    config = json.loads((place / "run" / "config.json").read_text())
    assert config["model"]["d_model"] == 16
    assert config["data"]["bucket_lengths"] == [8, 16]


def test_same_command_again_only_prints_the_results(place, trained, arguments):
    before = contents(place)
    again = command("train.py", *arguments(workdir=place / "run"))
    assert json.loads(again.stdout) == json.loads(trained.stdout)
    assert again.stderr == f"{place / 'run'} is finished:\n"
    assert contents(place) == before


def test_more_steps_go_on_from_the_last(place, trained, arguments, tmp_path):
    shutil.copytree(place / "run", tmp_path / "run")
    more = command("train.py", *arguments(workdir=tmp_path / "run", train__num_steps=STEPS + 2))
    assert f"goes on after step {STEPS}, {STEPS + 2} steps in all" in more.stderr
    assert json.loads(more.stdout)["step"] == STEPS + 2


def test_stopped_by_ctrl_c_it_ends_as_if_never_stopped(place, trained, arguments, tmp_path):
    wanted = arguments(workdir=tmp_path / "run")
    with (tmp_path / "said").open("w+") as said:
        running = subprocess.Popen(
            [sys.executable, ROOT / "train.py", *wanted],
            stdout=subprocess.PIPE,
            stderr=said,
            env=ENVIRONMENT,
        )
        try:
            metrics = tmp_path / "run" / "metrics.jsonl"
            while running.poll() is None and not (metrics.exists() and metrics.read_text()):
                time.sleep(0.005)
            running.send_signal(signal.SIGINT)
            printed, _ = running.communicate(timeout=60)
        finally:
            running.kill()
    assert (running.returncode, printed) == (42, b"")
    *_, asked, last = (tmp_path / "said").read_text().splitlines()
    assert "SIGINT: saving, then stopping." in (tmp_path / "said").read_text()
    assert last.endswith("; the same command goes on from there.")
    assert "Traceback" not in asked
    stopped_at = runs.load(tmp_path / "run").steps[0]
    assert 0 < stopped_at < STEPS

    resumed = json.loads(command("train.py", *wanted).stdout)
    straight = json.loads(trained.stdout)
    times = {*TIMES, "commit"}
    assert {name: value for name, value in resumed.items() if name not in times} == {
        name: value for name, value in straight.items() if name not in times
    }
    ours, theirs = (runs.load(folder / "run").params for folder in (tmp_path, place))
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


@pytest.fixture(scope="module")
def two_seeds(place, arguments):
    """What the command said that trained two seeds together."""
    return command("train.py", *arguments(workdir=place / "seeds"), "--seeds=2")


def test_seeds_train_together_each_as_it_would_alone(place, trained, two_seeds):
    folder = place / "seeds"
    assert f"{folder}: seed_0, seed_1 together, each " in two_seeds.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["seed_0", "seed_1"]
    results = json.loads(two_seeds.stdout)
    for seed in (0, 1):
        member = folder / f"seed_{seed}"
        assert {path.name for path in member.iterdir()} == {
            path.name for path in (place / "run").iterdir()
        }
        assert json.loads((member / "results.json").read_text()) == results[member.name]
        assert results[member.name]["trained_together"] == 2
        run = runs.load(member)
        assert (run.config.seed, run.steps) == (seed, (240, 280, 300))
    assert results["seed_0"]["nll"] != results["seed_1"]["nll"]
    ours, alone = (
        read_metrics(path / "metrics.jsonl") for path in (folder / "seed_0", place / "run")
    )
    assert [(line["kind"], line["step"]) for line in ours] == [
        (line["kind"], line["step"]) for line in alone
    ]
    np.testing.assert_allclose(ours[0]["loss"], alone[0]["loss"], rtol=1e-4)


def test_seed_that_was_trained_with_others_is_a_run_like_any(place, two_seeds, arguments, tmp_path):
    where = f"--cache_dir={place / 'cache'}"
    member = shutil.copytree(place / "seeds" / "seed_1", tmp_path / "seed_1")
    scores = json.loads(command("evaluate.py", f"--workdir={member}", where).stdout)
    assert scores["nll"] == pytest.approx(json.loads(two_seeds.stdout)["seed_1"]["nll"], rel=1e-5)
    more = arguments(workdir=member, seed=1, train__num_steps=STEPS + 2)
    assert json.loads(command("train.py", *more).stdout)["step"] == STEPS + 2


def test_seeds_that_are_finished_only_print_their_results(place, two_seeds, arguments):
    again = command("train.py", *arguments(workdir=place / "seeds"), "--seeds=2")
    assert json.loads(again.stdout) == json.loads(two_seeds.stdout)
    assert again.stderr == "".join(
        f"{place / 'seeds' / name} is finished:\n" for name in ("seed_0", "seed_1")
    )


def test_a_run_and_several_seeds_do_not_share_a_folder(
    place, trained, two_seeds, arguments, capsys
):
    said = refusal(capsys, train, [*arguments(workdir=place / "run"), "--seeds=2"])
    assert said.startswith(f"{place / 'run'} holds a single run. Leave out --seeds=2")
    said = refusal(capsys, train, arguments(workdir=place / "seeds"))
    assert said.startswith(f"{place / 'seeds'} holds runs of several seeds (seed_0, seed_1).")


def test_steps_to_trace_that_are_none_are_refused(tmp_path, capsys):
    said = refusal(capsys, train, ["--profile=7:5", f"--workdir={tmp_path / 'run'}"])
    assert said.startswith("--profile=7:5 must be FROM:TO, two whole numbers of which the first")
    assert not (tmp_path / "run").exists()


def test_no_seeds_are_refused(tmp_path, capsys):
    said = refusal(capsys, train, ["--seeds=0", f"--workdir={tmp_path / 'run'}"])
    assert said == "--seeds=0 must be at least 1."
    assert list(tmp_path.iterdir()) == []


LINES = ["ka lu", "", "mi", "no pe ri ka", "   ", "lu"]


def test_translating_keeps_the_lines(place, trained):
    ended = command(
        "translate.py",
        f"--workdir={place / 'run'}",
        f"--cache_dir={place / 'cache'}",
        stdin="".join(f"{line}\n" for line in LINES),
    )
    *found, rest = ended.stdout.split("\n")
    assert rest == ""
    assert [bool(line) for line in found] == [bool(line.strip()) for line in LINES]
    assert "Traceback" not in ended.stderr


@pytest.fixture
def translations(place, trained, in_this_process, monkeypatch, capsys, tmp_path):
    """What `translate.py` prints of some bytes, in this process."""

    def translations(text, *flags):
        (tmp_path / "input").write_bytes(text)
        with (tmp_path / "input").open() as stream:
            monkeypatch.setattr(sys, "stdin", stream)
            translate.main([f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}", *flags])
        return capsys.readouterr().out.split("\n")[:-1]

    return translations


def test_n_best_gives_so_many_lines_with_scores(translations):
    text = b"ka lu\n\nno pe"  # the last line has no end
    best, two = translations(text), translations(text, "--n_best=2", "--scores")
    assert len(best) == 3
    assert len(two) == 6
    scores, texts = zip(*(line.split("\t") for line in two), strict=True)
    assert list(texts[::2]) == best
    assert float(scores[0]) >= float(scores[1])
    assert (scores[2:4], texts[2:4]) == (("0.0000", ""), ("", ""))


def test_nothing_in_is_nothing_out(translations):
    assert translations(b"") == []


def test_lines_that_cannot_be_translated_are_empty_and_named_and_the_others_come_out(
    translations, capsys
):
    good = translations(b"ka\nlu mi\n", "--n_best=2")
    with pytest.raises(SystemExit) as ended:
        translations(b"ka\n\xff\n" + b"x" * 5_000 + b"\nlu mi\n", "--n_best=2")
    printed, said = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.split("\n") == [*good[:2], *4 * [""], *good[2:], ""]
    *_, first, second, last = said.splitlines()
    rest = "; an empty line stands for its translation"
    assert first == f"warning: standard input, line 2, byte 1: not UTF-8 (byte 0xff){rest}"
    assert second == (
        "warning: standard input, line 3: a sentence must have at most 4,096 tokens, this has "
        f"5,002{rest}"
    )
    assert last == (
        "error: 2 of 4 lines of standard input could not be translated, as the warnings say; an "
        "empty line stands for each."
    )


def test_sentence_that_is_too_long_to_be_scored_is_refused(place, trained, capsys, tmp_path):
    (tmp_path / "short").write_bytes(b"ka\nlu\n")
    (tmp_path / "long").write_bytes(b"ka\n" + b"x" * 5_000)
    said = refusal(
        capsys,
        evaluate,
        [
            f"--workdir={place / 'run'}",
            f"--source={tmp_path / 'short'}",
            f"--reference={tmp_path / 'long'}",
        ],
    )
    assert said == (
        f"{tmp_path / 'long'}, line 2: a sentence that is scored must have at most 4,096 tokens, "
        "this has 5,002. Split it."
    )


def test_run_goes_on_only_with_the_same_rule_for_lines_that_cannot_be_read(
    place, trained, arguments, in_this_process, capsys
):
    said = refusal(capsys, train, arguments(workdir=place / "run", data__on_error="skip"))
    assert said == (
        f"{place / 'run'} was trained with data.on_error=refuse, this config has skip. "
        "Choose another --workdir."
    )


def test_evaluating_the_test_split_again_gives_its_results(place, trained):
    ended = command("evaluate.py", f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}")
    scores, results = json.loads(ended.stdout), json.loads(trained.stdout)
    kinds = ("sacrebleu", "tokenized_bleu", "chrf")
    signatures = [f"{name}_signature" for name in kinds]
    for name in (*kinds, *signatures, "exact_match", "split", "sentences"):
        assert scores[name] == results[name]
    assert scores["nll"] == pytest.approx(results["nll"], rel=1e-5)
    assert scores["steps"] == results["averaged_steps"]


def test_scores_are_of_the_search_that_the_flags_ask_for(
    place, trained, in_this_process, capsys, tmp_path, translations
):
    """Those of `translate.py` with the same flags, which are not those of the run's config."""
    text = (place / "corpus" / "test.en").read_bytes()
    flags = ["--step=240", "--beam_size=3", "--length_penalty=20"]
    wanted = translations(text, *flags)
    assert wanted != translations(text, "--step=240")
    where = [f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}"]
    evaluate.main([*where, *flags, f"--output={tmp_path / 'found.txt'}"])
    said = json.loads(capsys.readouterr().out)
    assert (said["beam_size"], said["length_penalty"]) == (3, 20)
    assert (tmp_path / "found.txt").read_text(encoding="utf-8").splitlines() == wanted


def test_evaluating_files_is_evaluating_what_is_in_them(place, trained, in_this_process, capsys):
    where = [f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}", "--average=1"]
    evaluate.main([*where, "--split=validation"])
    split = json.loads(capsys.readouterr().out)
    files = [place / "corpus" / f"validation.{language}" for language in ("en", "de")]
    evaluate.main([*where, f"--source={files[0]}", f"--reference={files[1]}"])
    of_files = json.loads(capsys.readouterr().out)
    assert split.pop("split") == "validation"
    assert [of_files.pop(name) for name in ("source", "reference")] == [str(f) for f in files]
    assert of_files == split
    assert split["steps"] == [STEPS]


def test_mean_that_is_kept_is_scored_and_translates_as_one_that_is_made(
    place, trained, in_this_process, capsys, tmp_path, translations
):
    to, cache = tmp_path / "mean", f"--cache_dir={place / 'cache'}"
    checkpoint.main(["average", str(place / "run"), "--last=3", f"--to={to}"])
    capsys.readouterr()
    evaluate.main([f"--workdir={to}", cache])
    kept = json.loads(capsys.readouterr().out)
    evaluate.main([f"--workdir={place / 'run'}", cache, "--average=3"])
    assert kept == json.loads(capsys.readouterr().out)
    assert kept["steps"] == [240, 280, 300]
    text = b"ka lu mi\nno pe\n"
    made = translations(text, "--average=3", "--scores")
    assert translations(text, f"--workdir={to}", "--scores") == made
    assert translations(text, "--average=1", "--scores") != made


def test_mean_is_not_trained_on(
    place, trained, arguments, in_this_process, capsys, tmp_path, monkeypatch
):
    one = jax.devices()[:1]  # as it was trained on: its batches have fewer rows than eight
    monkeypatch.setattr(jax, "devices", lambda: one)
    to = tmp_path / "mean"
    checkpoint.main(["average", str(place / "run"), "--last=3", f"--to={to}"])
    capsys.readouterr()
    before = contents(to)
    assert refusal(capsys, train, arguments(workdir=to, train__tokens_per_batch=64)) == (
        f"{to} holds the mean of the checkpoints 240, 280, 300, and no optimizer to go on with. "
        "Go on with the run it was made from, or choose another --workdir."
    )
    assert contents(to) == before


def test_baseline_is_compared_with(place, trained, in_this_process, capsys):
    where = [f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}"]
    same = place / "run" / "translations.txt"
    evaluate.main([*where, f"--baseline={same}"])
    said = json.loads(capsys.readouterr().out)
    against = said.pop("against")
    assert (against.pop("baseline"), against.pop("samples")) == (str(same), 1000)
    assert against.keys() == {"sacrebleu", "tokenized_bleu"}
    for kind, found in against.items():
        assert found["baseline"] == pytest.approx(said[kind])
        assert found["p_value"] == 1
        assert found["half_width"] >= 0
    perfect = place / "corpus" / "test.de"
    evaluate.main([*where, f"--baseline={perfect}"])
    said = json.loads(capsys.readouterr().out)
    assert said["against"]["sacrebleu"]["baseline"] == pytest.approx(100)


@pytest.mark.parametrize("script", [train, translate, evaluate])
def test_help_teaches_by_example(script, capsys):
    with pytest.raises(SystemExit) as ended:
        script.main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert f"    python {script.__name__}.py --" in said.replace("echo", "    echo")
    for flag in ("--workdir", "--cache_dir"):
        assert flag in said


def contents(folder):
    """Every file, with when it was written."""
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def refusal(capsys, script, argv):
    """The one line in which a command refuses bad input."""
    with pytest.raises(SystemExit) as ended:
        script.main([str(argument) for argument in argv])
    printed, said = capsys.readouterr()
    assert (ended.value.code, printed) == (2, "")
    *before, last = said.splitlines()
    assert last.startswith("error: ")
    assert not any(word in line for word in ("error", "Traceback", "WARNING") for line in before)
    return last.removeprefix("error: ")


def test_bad_input_of_a_real_process_is_one_line_and_exit_code_2(tmp_path):
    ended = command("train.py", "--config.model.num_head=2", f"--workdir={tmp_path}/run", code=2)
    assert ended.stdout == ""
    assert ended.stderr == (
        "error: config has no setting 'num_head'. "
        'Did you mean "num_heads" instead of "num_head"?\n'
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model.num_head": 2}, "config has no setting 'num_head'."),
        ({"model.num_heads": "two"}, "model.num_heads='two' must be a whole number."),
        (
            {"model.num_heads": 3},
            "model.d_model=16 must be divisible by model.num_heads=3 (remainder 1).",
        ),
        ({"evaluation.average_checkpoints": 4}, "evaluation.average_checkpoints=4 must be between"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_written(
    tmp_path, capsys, change, message
):
    corpus = write_corpus(tmp_path / "corpus")
    before = contents(tmp_path)
    argv = training(corpus, tmp_path / "run", tmp_path / "cache", **change)
    assert refusal(capsys, train, argv).startswith(message)
    assert contents(tmp_path) == before


def test_batches_that_leave_a_device_without_work_are_refused(tmp_path, capsys, in_this_process):
    """Once the data are prepared: no device is asked for before."""
    corpus = write_corpus(tmp_path / "corpus")
    argv = training(corpus, tmp_path / "run", tmp_path / "cache", **{"train.tokens_per_batch": 32})
    assert refusal(capsys, train, argv).startswith(
        "train.tokens_per_batch gives batches of 2 rows, fewer than the 8 devices that "
    )
    assert not (tmp_path / "run").exists()


def test_config_that_is_not_there_names_those_that_are(tmp_path, capsys):
    path = ROOT / "configs" / "number.py"
    said = refusal(capsys, train, [f"--config={path}", f"--workdir={tmp_path / 'run'}"])
    assert said == f"--config={path} is not a file. {ROOT / 'configs'} has: numbers."


def without(corpus, name):
    (corpus / name).unlink()


def write(corpus, **files):
    for name, content in files.items():
        (corpus / name.replace("_", ".")).write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (shutil.rmtree, "data.dir={0} must be a folder with files such as train.en and train.de"),
        (
            lambda corpus: [without(corpus, f"validation.{language}") for language in ("en", "de")],
            "{0} has no split 'validation'; it has test, train. Add it.",
        ),
        (
            lambda corpus: without(corpus, "test.de"),
            "{0}/test.en must have a counterpart, but {0}/test.de is missing.",
        ),
        (
            lambda corpus: write(corpus, train_en=b"ka\nlu\nmi\n"),
            "Both languages must have as many lines: {0}/train.de has 40 and {0}/train.en has 3, "
            "so line 4 of train.de has no counterpart. Align them again.",
        ),
        (
            lambda corpus: write(corpus, test_en=b"ka\nl\xffu\nmi\nno\n"),
            "{0}/test.en, line 2, byte 2: not UTF-8 (byte 0xff).",
        ),
        (
            lambda corpus: write(corpus, train_en=b"", train_de=b""),
            "{0}/train.de and {0}/train.en must have at least one pair of sentences",
        ),
        (
            lambda corpus: write(corpus, train_en=b"ka " * 20 + b"\n", train_de=b"Baum\n"),
            "No pair is left to train on: all 1 are longer than a row. Use longer rows.",
        ),
    ],
)
def test_text_that_cannot_be_trained_on_is_refused_by_name(
    tmp_path, in_this_process, capsys, spoil, message
):
    corpus = write_corpus(tmp_path / "corpus")
    spoil(corpus)
    before = contents(tmp_path)
    argv = training(corpus, tmp_path / "run", tmp_path / "cache")
    assert refusal(capsys, train, argv).startswith(message.format(corpus))
    written = contents(tmp_path).keys() - before.keys()
    assert all(path.is_relative_to(tmp_path / "cache") for path in written)


def test_run_of_another_config_is_refused_by_what_differs(place, trained, arguments, capsys):
    before = contents(place)
    other = arguments(workdir=place / "run", model__d_ff=64, seed=1)
    assert refusal(capsys, train, other) == (
        f"{place / 'run'} was trained with model.d_ff=32, this config has 64. "
        "Choose another --workdir."
    )
    assert contents(place) == before


@pytest.mark.parametrize("script", [translate, evaluate])
def test_folder_without_a_run_says_how_to_train_one(script, tmp_path, capsys):
    said = refusal(capsys, script, [f"--workdir={tmp_path}", f"--cache_dir={tmp_path / 'cache'}"])
    assert said.startswith(f"{tmp_path} holds no run (no config.json). Train one with `python ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("script", [translate, evaluate])
def test_reading_that_takes_long_is_said(script, tmp_path, monkeypatch, capsys):
    def slow(path, **which):
        time.sleep(0.5)
        raise ValueError("It was enough.")

    monkeypatch.setattr("experiment.training.progress.PATIENCE_SECONDS", 0.02)
    monkeypatch.setattr(runs, "load", slow)
    with pytest.raises(SystemExit):
        script.main([f"--workdir={tmp_path}"])
    said = "waiting for the checkpoints to be read, 0s so far ...\nerror: It was enough.\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("script", "flags", "message"),
    [
        (
            translate,
            ["--n_best=3"],
            "--n_best=3 cannot be more than the beam of 2. Use --beam_size=3.",
        ),
        (translate, ["--n_best=0"], "--n_best=0 must be at least 1."),
        (translate, ["--average=-1"], "--average=-1 must be at least 1."),
        (translate, ["--beam_size=0"], "--beam_size=0 must be at least 1."),
        (evaluate, ["--beam_size=0"], "--beam_size=0 must be at least 1."),
        (evaluate, ["--average=0"], "--average=0 must be at least 1."),
        (translate, ["--length_penalty=nan"], "decode.length_penalty=nan must be finite."),
        (translate, ["--length_penalty=-3"], "decode.length_penalty=-3.0 must be at least 0."),
        (evaluate, ["--length_penalty=inf"], "decode.length_penalty=inf must be finite."),
        (evaluate, ["--length_penalty=-3"], "decode.length_penalty=-3.0 must be at least 0."),
        (translate, ["--temperature=-1"], "decode.temperature=-1.0 must be at least 0."),
        (
            translate,
            ["--top_k=5"],
            "decode.top_k=5 is of samples, and decode.temperature=0 searches. Set a temperature, "
            "such as 1.0, or leave top_k at 0.",
        ),
        (
            evaluate,
            ["--seed=3"],
            "--seed is of samples, and this is a search. Give --temperature=1 too.",
        ),
        (
            evaluate,
            ["--reference=news.de"],
            "--source and --reference go together: give both, or --split.",
        ),
        (
            evaluate,
            ["--split=test", "--source=news.en", "--reference=news.de"],
            "--split and --source are two ways to say what to score. Give one.",
        ),
        (
            evaluate,
            ["--source=news.en"],
            "--source and --reference go together: give both, or --split.",
        ),
        (
            evaluate,
            ["--source=news.en", "--reference=news.de"],
            "news.en must be a text file, but it does not exist.",
        ),
        (
            evaluate,
            ["--baseline=news.de"],
            "news.de must be a text file, but it does not exist.",
        ),
        (
            evaluate,
            [f"--baseline={ROOT / 'LICENSE'}"],
            f"--baseline={ROOT / 'LICENSE'} must have one line a sentence: it has 202, and "
            "there are 4 sentences.",
        ),
        (
            evaluate,
            ["--output=nowhere/to/be.txt"],
            "--output=nowhere/to/be.txt must lie in a folder that is there.",
        ),
        (
            evaluate,
            ["--split=news"],
            "The corpus has no split 'news'. It has: test, train, validation.",
        ),
    ],
)
def test_flags_that_do_not_fit_are_refused(
    place, trained, in_this_process, capsys, script, flags, message
):
    where = [f"--workdir={place / 'run'}", f"--cache_dir={place / 'cache'}"]
    assert refusal(capsys, script, [*where, *flags]) == message


def test_missing_split_is_refused_before_anything_is_prepared(tmp_path, in_this_process, capsys):
    corpus = write_corpus(tmp_path / "corpus")
    for language in ("en", "de"):
        without(corpus, f"test.{language}")
    before = contents(tmp_path)
    said = refusal(capsys, train, training(corpus, tmp_path / "run", tmp_path / "cache"))
    assert said.startswith(f"{corpus} has no split 'test'; it has train, validation.")
    assert contents(tmp_path) == before


def test_corpus_that_changed_is_not_scored(place, trained, in_this_process, capsys, tmp_path):
    copy = shutil.copytree(place / "run", tmp_path / "run")
    corpus = write_corpus(tmp_path / "corpus")
    write(corpus, test_en=b"lu\n" * 4)
    config = json.loads((copy / "config.json").read_text())
    config["data"]["dir"] = str(corpus)
    (copy / "config.json").write_text(json.dumps(config))
    said = refusal(capsys, evaluate, [f"--workdir={copy}", f"--cache_dir={tmp_path / 'cache'}"])
    assert said.startswith(f"The corpus is not the one that {copy} was trained on.")


def test_reader_that_goes_away_is_no_fault(place, trained, arguments):
    """As `head` does."""
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [sys.executable, ROOT / "train.py", *arguments(workdir=place / "run")],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, f"{place / 'run'} is finished:\n")
