"""Commands run as users run them, on a made-up language that is learned in seconds."""

import os
import pathlib
import random
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent
WORDS = {"ka": "Baum", "lu": "Haus", "mi": "Hund", "no": "Katze", "pe": "grün", "ri": "groß"}
TINY = {
    "data.vocab_size": 300,
    "data.packed_length": 16,
    "data.bucket_lengths": "(8,16)",
    "model.d_model": 16,
    "model.d_ff": 32,
    "model.num_heads": 2,
    "model.num_layers": 1,
    "train.tokens_per_batch": 64,
    "train.warmup_steps": 20,
    "train.num_steps": 300,
    "train.log_every": 7,
    "train.evaluate_every": 150,
    "train.save_every": 40,
    "train.keep_checkpoints": 3,
    "decode.beam_size": 2,
    "decode.max_extra_tokens": 4,
    "decode.sentences_per_batch": 4,
    "evaluation.validation_sentences": 2,
    "evaluation.average_checkpoints": 3,
}
# Nothing of the session that tests: one CPU device, whatever there is.
ENVIRONMENT = {**os.environ, "JAX_PLATFORMS": "cpu"}


def write_corpus(folder):
    """Sentences of made-up words; their translation stands backwards."""
    words = random.Random(0)
    folder.mkdir()
    for split, pairs in (("train", 40), ("validation", 3), ("test", 4)):
        sources = [words.choices(list(WORDS), k=words.randint(1, 4)) for _ in range(pairs)]
        targets = [[WORDS[word] for word in reversed(source)] for source in sources]
        for language, sentences in (("en", sources), ("de", targets)):
            text = "".join(f"{' '.join(sentence)}\n" for sentence in sentences)
            (folder / f"{split}.{language}").write_text(text, encoding="utf-8")
    return folder


def made_place(tmp_path_factory, name):
    """A folder with the corpus and a cache, which is that of all modules: each compiles less."""
    folder, cache = tmp_path_factory.mktemp(name), tmp_path_factory.getbasetemp() / "cache"
    write_corpus(folder / "corpus")
    cache.mkdir(exist_ok=True)
    (folder / "cache").symlink_to(cache)
    return folder


def training(corpus, workdir, cache, **changes):
    """The arguments of `train.py`; `model__d_ff=64` changes a setting."""
    settings = {**TINY, **{name.replace("__", "."): value for name, value in changes.items()}}
    return [
        f"--config={ROOT / 'configs' / 'parallel_text.py'}",
        f"--config.data.dir={corpus}",
        *(f"--config.{name}={value}" for name, value in settings.items()),
        f"--workdir={workdir}",
        f"--cache_dir={cache}",
    ]


def command(script, *arguments, stdin="", code=0):
    """What a command left: what it printed and said."""
    ended = subprocess.run(
        [sys.executable, ROOT / script, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    return ended
