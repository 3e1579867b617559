"""The command that writes the page, on a run of a checkpoint that nobody trained."""

import functools
import io
import json
import re
import types

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from experiment.analysis import Run
from experiment.analysis.viewer import Given
from experiment.analysis.viewer.__main__ import examples, main, parse
from experiment.training import Progress, adam, init_state
from model.systems import system_of
from tests.analysis.viewer.tiny import tiny_run
from tests.made_up import config, vocabulary
from tests.training.opened import opened


def made(folder, system):
    of = config(model={"system": system}, evaluation={"average_checkpoints": 1})
    module = system_of(of.model.system_config(vocabulary().size))
    init = functools.partial(init_state, module, adam(of), jax.random.key(0))
    with opened(folder, of, init) as run:
        run.checkpoints.save(run.state, run.record)
    return folder


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return made(tmp_path_factory.mktemp("run"), "transformer")


@pytest.fixture(autouse=True)
def cache_of_the_session():
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def typed(monkeypatch, text):
    stdin = types.SimpleNamespace(buffer=io.BytesIO(text.encode()), isatty=lambda: False)
    monkeypatch.setattr("sys.stdin", stdin)


def content_of(path):
    (data,) = re.findall(
        '<script type="application/json" id="data">(.*?)</script>', path.read_text()
    )
    return json.loads(data)


def refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith("error: ") and told.count("\n") == 1
    return told


def test_page_holds_the_sentences_of_a_file(workdir, tmp_path, capsys):
    sentences, out = tmp_path / "two lines", tmp_path / "page.html"
    sentences.write_text("the cat\tdie Katze\nthe mat\n")
    arguments = [f"--workdir={workdir}", f"--sentences={sentences}", f"--out={out}"]
    main([*arguments, f"--cache_dir={tmp_path}"])
    assert capsys.readouterr().out == f"{out}: 2 sentences, 0.0 MB\n"
    content = content_of(out)
    shown = [(each["source"], each["reference"]) for each in content["sentences"]]
    assert shown == [("the cat", "die Katze"), ("the mat", None)]
    assert content["run"]["facts"][0] == "translation"
    assert content["add"]["before"] == "printf '\\n%s\\n' "
    assert content["add"]["after"].startswith(
        f" >> '{sentences}' && python -m experiment.analysis.viewer --workdir={workdir} "
    )


def test_lines_of_standard_input_are_shown_in_the_workdir(workdir, tmp_path, monkeypatch):
    typed(monkeypatch, "the cat sat\n")
    main([f"--workdir={workdir}", "--beam_size=1", f"--cache_dir={tmp_path}"])
    content = content_of(workdir / "attention.html")
    assert [each["source"] for each in content["sentences"]] == ["the cat sat"]
    assert content["add"]["after"].startswith(" | python -m experiment.analysis.viewer")
    assert content["add"]["with"]


def test_a_run_without_heads_is_refused(tmp_path, capsys):
    told = refused([f"--workdir={made(tmp_path / 'run', 'recurrent')}"], capsys)
    assert "Recurrent has no attention heads to be asked for." in told


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--out=nowhere/page.html"], "--out=nowhere/page.html must lie in a folder"),
        (["--sentences=nowhere"], "nowhere"),
        (["--examples=0"], "--examples=0 must be at least 1"),
        (["--heads=1"], "unrecognized arguments"),
    ],
)
def test_bad_flags_are_told_in_a_line(workdir, flags, message, capsys):
    assert message in refused([f"--workdir={workdir}", *flags], capsys)


def test_a_file_of_empty_lines_is_refused(workdir, tmp_path, capsys):
    (tmp_path / "empty").write_text("\n \n")
    told = refused([f"--workdir={workdir}", f"--sentences={tmp_path / 'empty'}"], capsys)
    assert "must have a sentence; it has none." in told


def test_examples_too_long_to_look_at_are_passed_over_and_counted(monkeypatch, capsys):
    pairs = [("the " * 300, "die"), ("the cat", "die Katze"), ("the mat", "die Matte")]
    monkeypatch.setattr(Run, "pairs", lambda *_: pairs)
    flags = parse(["--workdir=nowhere", "--examples=1"])
    assert examples(flags, tiny_run(), [], Progress()) == [Given("the cat", "die Katze")]
    assert capsys.readouterr().err == (
        "1 of the test split are too long to look at and passed over.\n"
    )
