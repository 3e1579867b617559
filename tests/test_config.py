import copy
import json
import pathlib
import re

import pytest

from experiment.config import ExperimentConfig, ModelConfig, from_mapping
from experiment.config_files import load_config, published, rows_of
from tests.made_up import config

CONFIGS = pathlib.Path(__file__).parent.parent / "configs"
BASE = str(CONFIGS / "wmt14_base.py")  # the paper does not change
NAMES = sorted(path.stem for path in CONFIGS.glob("*.py") if path.stem != "__init__")


def load(name, *overrides):
    # Only this one has no value of its own for where its text is.
    needed = ["--config.data.dir=folder"] if name == "parallel_text" else []
    return load_config(str(CONFIGS / f"{name}.py"), [*needed, *overrides])


def load_row(name, row):
    return load_config(f"{CONFIGS / name}.py:{row}")


def refusal(*overrides):
    """What `train.py` with these flags is told."""
    with pytest.raises(ValueError) as refused:
        load_config(BASE, overrides)
    message = str(refused.value)
    assert "\n" not in message
    return message


def flat(mapping, prefix=""):
    for name, value in mapping.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def changes(name):
    """What a config sets otherwise than the paper's base model."""
    base = dict(flat(load("wmt14_base").resolved()))
    return {key: value for key, value in flat(load(name).resolved()) if value != base[key]}


@pytest.mark.parametrize("name", NAMES)
def test_every_config_builds(name):
    assert isinstance(load(name), ExperimentConfig)


@pytest.mark.parametrize("name", NAMES)
def test_every_config_says_how_to_train_it(name):
    source = (CONFIGS / f"{name}.py").read_text()
    assert "python train.py" in source.split('"""')[1]


def test_base_holds_the_papers_numbers():
    found = dict(flat(load("wmt14_base").resolved()))
    paper = {
        "model.d_model": 512,  # table 3
        "model.d_ff": 2048,
        "model.num_heads": 8,
        "model.num_layers": 6,
        "model.d_k": None,
        "model.d_v": None,
        "model.dropout_rate": 0.1,
        "data.vocab_size": 37_000,  # 5.1
        "train.tokens_per_batch": 25_000,
        "train.num_steps": 100_000,  # 5.2
        "train.warmup_steps": 4_000,  # 5.3
        "train.learning_rate_scale": 1.0,
        "train.cooldown_steps": 0,
        "train.adam_b1": 0.9,
        "train.adam_b2": 0.98,
        "train.adam_epsilon": 1e-9,
        "train.label_smoothing": 0.1,  # 5.4
        "decode.beam_size": 4,  # 6.1
        "decode.length_penalty": 0.6,
        "decode.max_extra_tokens": 50,
        "evaluation.average_checkpoints": 5,
    }
    assert {name: found[name] for name in paper} == paper


def test_big_is_base_but_for_the_last_row_of_table_3():
    assert changes("wmt14_big") == {
        "model.d_model": 1024,
        "model.d_ff": 4096,
        "model.num_heads": 16,
        "model.dropout_rate": 0.3,
        "train.num_steps": 300_000,
        "train.save_every": 600,  # the paper's ten minutes
        "train.keep_checkpoints": 20,
        "evaluation.average_checkpoints": 20,  # 6.1
    }


def test_parsing_holds_the_numbers_of_section_6_3():
    found = dict(flat(load("wsj_parsing").resolved()))
    paper = {
        "model.num_layers": 4,
        "model.d_model": 1024,
        "model.d_ff": 2048,  # what is left unchanged is the base model's
        "model.num_heads": 8,
        "train.num_steps": 100_000,
        "data.vocab_size": 16_000,
        "decode.beam_size": 21,
        "decode.length_penalty": 0.3,
        "decode.max_extra_tokens": 300,
    }
    assert {name: found[name] for name in paper} == paper
    small = dict(flat(load("treebank_parsing").resolved()))
    same = {name for name in paper if name.startswith("decode.")} | {"model.num_layers"}
    assert {name: small[name] for name in same} == {name: paper[name] for name in same}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["corpus=treebank"],
            "data.dir is empty; a treebank corpus needs the folder that holds it: "
            "--config.data.dir=FOLDER.",
        ),
        (
            ["corpus=treebank", "dir=trees"],
            "data.source_language='en' and data.target_language='de' must be 'words' and 'tree', "
            "or 'words' and 'worded_tree', or 'words' and 'tagged_tree', or 'words' and 'tags', "
            "or 'marked_words' and 'tags', "
            "or 'nothing' and 'words', as data.corpus is 'treebank'.",
        ),
        (
            ["corpus=labelled_text"],
            "data.dir is empty; a labelled_text corpus needs the folder that holds it: "
            "--config.data.dir=FOLDER.",
        ),
        (
            ["corpus=word_order", "dir=text"],
            "data.target_language='de' must be 'order' as data.corpus is 'word_order': "
            "data.source_language is the suffix of its files.",
        ),
    ],
)
def test_corpus_without_its_settings_is_refused(settings, message):
    assert refusal(*(f"--config.data.{setting}" for setting in settings)) == message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["model.system=decoder_only"],
            "data.source_language='en' must be 'nothing' where model.system='decoder_only': a "
            "language model has no source. Use --config.data.source_language=nothing.",
        ),
        (
            ["data.source_language=nothing"],
            "data.source_language='nothing' is for a language model, and "
            "model.system='transformer' reads a source. Use --config.model.system=decoder_only, "
            "or name the language that is read.",
        ),
        (
            ["data.target_language=nothing"],
            "data.target_language='nothing' must be a language: there is nothing to learn.",
        ),
        (
            ["decode.top_k=5"],
            "decode.top_k=5 is of samples, and decode.temperature=0 searches. Set a temperature, "
            "such as 1.0, or leave top_k at 0.",
        ),
        (
            ["decode.temperature=1.0", "decode.top_p=1.5"],
            "decode.top_p=1.5 must be at most 1.",
        ),
    ],
)
def test_language_model_and_samples_without_their_settings_are_refused(settings, message):
    assert refusal(*(f"--config.{setting}" for setting in settings)) == message


def test_a_run_from_before_there_were_samples_searches():
    mapping = load("numbers").resolved()
    for name in ("temperature", "top_k", "top_p", "seed"):
        del mapping["decode"][name]
    assert from_mapping(ExperimentConfig, mapping) == load("numbers")


def test_encoder_alone_needs_marks_and_all_others_can_have_them():
    tags = {"corpus": "treebank", "dir": "trees", "target_language": "tags"}
    labels = {"corpus": "labelled_text", "dir": "text"}
    for data in ({}, tags | {"source_language": "words"}):
        with pytest.raises(ValueError, match="'encoder_only' must have sources with marks, and"):
            config(model={"system": "encoder_only"}, data=data)
    for data in (tags | {"source_language": "marked_words"}, labels):
        for system in ("encoder_only", "transformer", "recurrent"):
            assert config(model={"system": system}, data=data).data.marks


@pytest.mark.parametrize("name", [name for name in NAMES if name != "wmt14_base"])
def test_every_other_config_is_the_base_with_a_few_lines_changed(name):
    source = (CONFIGS / f"{name}.py").read_text()
    assert "config = wmt14_base.get_config()" in source
    lines = source.split(" -> ConfigDict:")[1]
    set_to = re.findall(r"(\w+)=(?!get_config)", lines)
    stated = {setting.rpartition(".")[2] for setting in changes(name)}
    stated |= {"dir"} if name == "parallel_text" else set()
    assert sorted({*set_to} - stated) == []


def test_base_states_every_setting():
    stated = re.findall(r'"(\w+)": ', pathlib.Path(BASE).read_text())
    sections = [section for section in load("wmt14_base").resolved().values() if section != 0]
    assert sorted(stated) == sorted(["seed", *(name for section in sections for name in section)])


@pytest.mark.parametrize("name", ["table3", "table3_small"])
def test_rows_of_table_3_differ_from_their_base_in_what_the_paper_varies(name):
    varied = {
        "A": {"model.num_heads"},
        "B": {"model.d_k"},
        "C": {"model.num_layers", "model.d_model", "model.d_ff"},
        "D": {"model.dropout_rate", "train.label_smoothing"},
        "E": {"model.positions", "model.max_positions"},
    }
    rows = rows_of(CONFIGS / f"{name}.py")
    assert len(rows) == 20
    base = dict(flat(load(name).resolved()))
    assert dict(flat(load_row(name, "base").resolved())) == base
    for row in rows:
        found = dict(flat(load_row(name, row).resolved()))
        changed = {key for key in found if found[key] != base[key]}
        if row == "big":
            assert changed == {
                *("model.d_model", "model.d_ff", "model.num_heads", "model.dropout_rate"),
                "train.num_steps",
            }
        elif row != "base":
            assert len(changed - {"model.max_positions"}) == 1
            assert changed <= varied[row[0]]


def test_small_rows_change_their_base_by_the_papers_factors():
    sizes = ("d_model", "d_ff", "num_heads", "num_layers", "dropout_rate")
    for row in rows_of(CONFIGS / "table3.py"):
        paper, small = [
            load_row(name, row).model.system_config(100) for name in ("table3", "table3_small")
        ]
        of_paper, of_small = [
            load_row(name, "base").model.system_config(100) for name in ("table3", "table3_small")
        ]
        for size in (*sizes, "key_width", "value_width"):
            assert getattr(small, size) / getattr(of_small, size) == pytest.approx(
                getattr(paper, size) / getattr(of_paper, size)
            )


def test_every_row_has_what_the_paper_reports():
    figures = published(CONFIGS / "table3.py")
    assert set(figures) == set(rows_of(CONFIGS / "table3.py"))
    assert figures["A1"] == {"perplexity": 5.29, "bleu": 24.9}
    assert published(BASE) == {}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("table3.py:Z", "must name a row of {file}: base, A1"),
        ("table3.py:", "must name a row of {file}: base, A1"),
        ("numbers.py:A1", "names a row, and {file} has none. Use --config={file}."),
        ("table.py:A1", "table.py is not a file. configs has: table3."),
    ],
)
def test_row_that_is_not_there_is_refused(path, expected, monkeypatch):
    monkeypatch.chdir(CONFIGS.parent)
    file = f"configs/{path.partition(':')[0]}"
    with pytest.raises(ValueError, match=re.escape(expected.format(file=file))):
        load_config(f"configs/{path}")


def test_flag_changes_a_setting_and_no_other():
    before, after = load("numbers"), load("numbers", "--config.model.num_heads=2")
    different = dict(set(flat_hashable(after)) - set(flat_hashable(before)))
    assert different == {"model.num_heads": 2}


def flat_hashable(config):
    return flat(config.resolved())


@pytest.mark.parametrize(
    ("flag", "setting", "value"),
    [
        ("--config.train.learning_rate_scale=2", "train.learning_rate_scale", 2.0),
        ("--config.data.bucket_lengths=(8,16)", "data.bucket_lengths", (8, 16)),
        ("--config.data.bucket_lengths=8,16", "data.bucket_lengths", (8, 16)),
        ("--config.model.d_k=24", "model.d_k", 24),
        ("--config.train.num_steps=100_000", "train.num_steps", 100_000),
        ("--config.evaluation.test_split=test_millions", "evaluation.test_split", "test_millions"),
    ],
)
def test_flag_is_read_as_the_setting_is_meant(flag, setting, value):
    found = dict(flat(load("numbers", flag).resolved()))[setting]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (
            "--config.model.num_head=2",
            'config has no setting \'num_head\'. Did you mean "num_heads" instead of "num_head"?',
        ),
        (
            "--config.modle.num_heads=2",
            'config has no setting \'modle\'. Did you mean "model" instead of "modle"?',
        ),
        ("--config.zzzzzz=2", "config has no setting 'zzzzzz'."),
        ("--config.train.num_steps.x=1", "config has no setting 'train.num_steps.x'."),
        ("--wrkdir=runs", "'--wrkdir' is no flag. Settings look like --config.seed=1."),
        ("more", "'more' is no flag. Settings look like --config.seed=1."),
        ("--config.model.num_heads=two", "model.num_heads='two' must be a whole number."),
        ("--config.model.num_heads=1.5", "model.num_heads='1.5' must be a whole number."),
        ("--config.train.num_steps=1e5", "train.num_steps='1e5' must be a whole number."),
        ("--config.train.adam_b1=high", "train.adam_b1='high' must be a number."),
        (
            "--config.data.bucket_lengths=(8,'a')",
            "data.bucket_lengths=(8, 'a') must be whole numbers, such as (16, 32).",
        ),
        (
            "--config.model=3",
            "flag --config.model=3: Failed to parse '3' as a ConfigDict: `3` is not a dict.",
        ),
        ("--config.model={'d_model': 64}", "model.d_ff is missing from the config."),
        (
            "--config.data.batching=sorted",
            "data.batching='sorted' must be one of bucketed, packed.",
        ),
    ],
)
def test_flag_that_is_no_setting_is_refused(flag, message):
    assert refusal(flag) == message


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ["--config.model.num_heads=12"],
            "model.d_model=512 must be divisible by model.num_heads=12 (remainder 8). "
            "Nearest: 8 or 16 heads; or set model.d_k and model.d_v.",
        ),
        (["--config.model.dropout_rate=1"], "model.dropout_rate=1.0 must be in [0, 1)."),
        (["--config.seed=-1"], "seed=-1 must be at least 0."),
        (["--config.train.num_steps=0"], "train.num_steps=0 must be greater than 0."),
        (
            ["--config.train.cooldown_steps=96001"],
            "train.warmup_steps=4000 and train.cooldown_steps=96001 must fit into "
            "train.num_steps=100000. Lower them, or raise it.",
        ),
        (["--config.train.log_every=0"], "train.log_every=0 must be greater than 0."),
        (["--config.decode.beam_size=0"], "decode.beam_size=0 must be greater than 0."),
        (
            ["--config.decode.length_penalty=-1"],
            "decode.length_penalty=-1.0 must be at least 0.",
        ),
        (
            ["--config.train.learning_rate_scale=nan"],
            "train.learning_rate_scale=nan must be finite.",
        ),
        (
            ["--config.model.positions=rotory"],
            "model.positions='rotory' must be one of sinusoidal, learned, none, rotary, alibi, "
            "relative.",
        ),
        (
            ["--config.model.positions=rotary", "--config.model.d_k=7"],
            "model.d_k=7 must be even: rotary positions turn pairs of features.",
        ),
        (
            ["--config.model.positions=learned", "--config.model.max_positions=255"],
            "model.max_positions=255 must reach the longest row of 256 tokens (data.packed_length, "
            "data.bucket_lengths), as positions are learned. Raise it.",
        ),
        (
            ["--config.model.attention_dropout_rate=1"],
            "model.attention_dropout_rate=1.0 must be in [0, 1).",
        ),
        (
            ["--config.model.attention_window=-1"],
            "model.attention_window=-1 must be a number of positions, or 0 for all of them.",
        ),
        (
            ["--config.data.bpe_dropout_rate=1"],
            "data.bpe_dropout_rate=1.0 must be in [0, 1).",
        ),
        (
            ["--config.data.bpe_dropout_samples=2"],
            "data.bpe_dropout_samples=2 must be 1 where data.bpe_dropout_rate is 0: without "
            "dropout there is one way to cut a text.",
        ),
        (
            ["--config.data.on_error=ignore"],
            "data.on_error='ignore' must be one of refuse, skip.",
        ),
        (
            ["--config.data.on_error=skip"],
            "data.on_error='skip' must be 'refuse' where data.corpus is 'wmt14_translate/de-en': "
            "only the files of parallel_text, labelled_text, word_order are read line by line.",
        ),
        (["--config.seed=4294967296"], "seed=4294967296 must be at most 2,147,483,647."),
        (
            ["--config.data.dir=~no_such_user/text"],
            "data.dir=~no_such_user/text: there is no such user.",
        ),
        (
            ["--config.model.d_model=1000000006", "--config.model.num_heads=12"],
            "model.d_model=1000000006 must be divisible by model.num_heads=12 (remainder 10). "
            "Nearest: 2 or 500000003 heads; or set model.d_k and model.d_v.",
        ),
        (
            ["--config.evaluation.tokenizer=13a"],
            "evaluation.tokenizer='13a' must be one of moses, none.",
        ),
        (
            ["--config.train.r_drop=-1"],
            "train.r_drop=-1.0 must be at least 0.",
        ),
        (
            ["--config.train.label_smoothing=1"],
            "train.label_smoothing=1.0 must be in [0, 1).",
        ),
        (
            ["--config.train.tokens_per_batch=255"],
            "train.tokens_per_batch=255 must hold a row of 256 tokens. "
            "Raise it, or lower data.packed_length.",
        ),
        (
            [
                "--config.data.batching=bucketed",
                "--config.data.bucket_lengths=(16,32)",
                "--config.train.tokens_per_batch=31",
            ],
            "train.tokens_per_batch=31 must hold a row of 32 tokens. "
            "Raise it, or lower data.bucket_lengths.",
        ),
        (
            ["--config.mesh.tokens_per_device=255"],
            "mesh.tokens_per_device=255 must hold a row of 256 tokens, or be 0 for all at once. "
            "Use at least 256.",
        ),
        (
            ["--config.mesh.data=-2"],
            "mesh.data=-2 must be a number of devices, -1 for all that are left, or 0 for pmap.",
        ),
        (
            ["--config.mesh.tensor=2"],
            "mesh.tensor=2 needs a mesh, and mesh.data=0 is pmap. Use --config.mesh.data=-1.",
        ),
        (["--config.mesh.fsdp=0"], "mesh.fsdp=0 must be at least 1."),
        (["--config.mesh.tokens_per_device=-1"], "mesh.tokens_per_device=-1 must be at least 0."),
        (
            ["--config.model.dtype=float16"],
            "model.dtype='float16' must be one of float32, bfloat16.",
        ),
        (
            ["--config.train.keep_checkpoints=4"],
            "evaluation.average_checkpoints=5 must be between 1 and train.keep_checkpoints=4.",
        ),
        (
            ["--config.evaluation.validation_sentences=-5"],
            "evaluation.validation_sentences=-5 must be at least 0.",
        ),
        (
            ["--config.data.bucket_lengths=(16,8)"],
            "data.bucket_lengths=(16, 8) must be ascending lengths in tokens.",
        ),
        (["--config.data.packed_length=0"], "data.packed_length=0 must be positive."),
        (
            ["--config.data.target_language=en"],
            "data.source_language and data.target_language are both 'en'; they must differ.",
        ),
        (
            ["--config.data.corpus=parallel_text"],
            "data.dir is empty; a parallel_text corpus needs the folder that holds it: "
            "--config.data.dir=FOLDER.",
        ),
    ],
)
def test_contradiction_is_refused_with_rule_and_values(flags, message):
    assert refusal(*flags) == message


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("number.py", "--config={0}/number.py is not a file. {0} has: numbers."),
        ("zzz.py", f"--config={{0}}/zzz.py is not a file. {{0}} has: {', '.join(NAMES)}."),
        ("", f"--config={{0}} is not a file. {{0}} has: {', '.join(NAMES)}."),
    ],
)
def test_file_that_is_not_there_names_those_that_are(path, message):
    with pytest.raises(ValueError) as refused:
        load_config(str(CONFIGS / path))
    assert str(refused.value) == message.format(CONFIGS)


def test_file_in_a_folder_without_configs_is_just_not_there(tmp_path):
    with pytest.raises(ValueError, match=r"/none\.py is not a file\.$"):
        load_config(str(tmp_path / "none.py"))


@pytest.mark.parametrize("name", NAMES)
def test_settings_come_back_from_json(name):
    resolved = json.loads(json.dumps(load(name).resolved()))
    assert from_mapping(ExperimentConfig, resolved) == load(name)


def changed(path, *value):
    """Plain settings with one of them set to `value`, or gone."""
    mapping = copy.deepcopy(config().resolved())
    *sections, name = path.split(".")
    section = mapping
    for key in sections:
        section = section[key]
    if value:
        section[name] = value[0]
    else:
        del section[name]
    return mapping


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (changed("model.d_ff"), "model.d_ff is missing from the config."),
        (changed("model"), "model is missing from the config."),
        (changed("model.num_head", 2), "model.num_head is not a setting. Did you mean num_heads?"),
        (changed("zzz", 2), "zzz is not a setting."),
        (changed("model", 3), "model=3 must be a section of settings."),
        (changed("model.d_ff", "32"), "model.d_ff='32' must be a whole number."),
        (changed("model.d_ff", True), "model.d_ff=True must be a whole number."),
        (changed("model.d_ff", None), "model.d_ff=None must be a whole number."),
        (changed("model.d_k", 1.5), "model.d_k=1.5 must be a whole number."),
        (changed("train.adam_b1", "0.9"), "train.adam_b1='0.9' must be a number."),
        (changed("data.dir", 5), "data.dir=5 must be a text."),
        (
            changed("data.bucket_lengths", [8, 16.0]),
            "data.bucket_lengths=[8, 16.0] must be whole numbers, such as (16, 32).",
        ),
    ],
)
def test_mapping_that_is_not_these_settings_is_refused(mapping, message):
    with pytest.raises(ValueError) as refused:
        from_mapping(ExperimentConfig, mapping)
    assert str(refused.value) == message


def test_whole_number_is_a_number_and_null_is_open():
    model = {**config().resolved()["model"], "dropout_rate": 0, "d_k": None, "d_v": 8}
    read = from_mapping(ModelConfig, model)
    assert (read.dropout_rate, type(read.dropout_rate)) == (0.0, float)
    assert (read.d_k, read.d_v) == (None, 8)


def test_a_run_from_before_there_were_windows_has_none():
    mapping = changed("model.attention_window")
    assert from_mapping(ExperimentConfig, mapping).model.attention_window == 0


def test_model_gets_its_sizes_and_the_vocabularys():
    model = config(model={"d_k": 24}).model.system_config(99)
    assert (model.vocab_size, model.d_model, model.key_width, model.value_width) == (99, 16, 24, 8)


def test_presets_differ_in_what_the_documents_say():
    paper, t2t = (dict(flat(load_row("presets", row).resolved())) for row in ("paper", "t2t"))
    assert paper == dict(flat(load("wmt14_base").resolved()))
    differences = {f"`{key}`" for key in paper if paper[key] != t2t[key]}
    table = (CONFIGS.parent / "docs" / "variants.md").read_text().split("## Presets")[1]
    assert differences == set(re.findall(r"^\| (`\S+`) ", table, re.MULTILINE)) - {"`presets.py"}
