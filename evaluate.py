"""Scores a trained run on a split of its corpus, or on any two files: one JSON object.

    python evaluate.py --workdir=runs/numbers
    python evaluate.py --workdir=runs/numbers --split=test_millions
    python evaluate.py --workdir=runs/multi30k --source=news.en --reference=news.de
    python evaluate.py --workdir=runs/two_heads --baseline=runs/multi30k/translations.txt

sacrebleu and chrf are of text as it is; tokenized_bleu is the paper's BLEU, of tokens with
compounds split; each has its signature. exact_match is in percent; perplexity is per word piece,
ends of sentences included. --baseline says how likely chance alone makes such a difference. Trees,
tags and labels have other scores: docs/parsing.md, docs/labelling.md.
"""

import argparse
import json
import pathlib
from typing import Any

import jax

from experiment import command, training
from experiment.analysis import runs
from experiment.data import check_scored, open_corpus, read_lines, read_pairs
from experiment.evaluation import compare


def main(argv: list[str]) -> None:
    """Reads the flags, loads the run and the text, scores."""
    flags = parse(argv)
    progress = training.Progress()
    with command.user_errors():
        command.check_positive(flags, "average", "step", "beam_size")
        if bool(flags.source) != bool(flags.reference):
            raise ValueError("--source and --reference go together: give both, or --split.")
        if flags.split and flags.source:
            raise ValueError("--split and --source are two ways to say what to score. Give one.")
        if flags.output and not flags.output.absolute().parent.is_dir():
            raise ValueError(f"--output={flags.output} must lie in a folder that is there.")
        with progress.waiting("the checkpoints to be read"):
            run = runs.load(flags.workdir, average=flags.average, step=flags.step, say=progress.say)
        if flags.baseline and run.task.name != "translation":
            raise ValueError(f"--baseline compares BLEU, and {run.workdir.path} has none.")
        decode = command.changed_decode(run.config.decode, flags)
        if flags.source:
            read = read_pairs(flags.source, flags.reference)
            pairs = [(run.task.read(source), reference) for source, reference in read]
            of_what = {"source": str(flags.source), "reference": str(flags.reference)}
        else:
            split = flags.split or run.config.evaluation.test_split
            corpus = open_corpus(run.config.data, flags.cache_dir.expanduser(), progress.say)
            if corpus.identity != run.fingerprint["corpus"]:
                raise ValueError(
                    f"The corpus is not the one that {run.workdir.path} was trained on. Restore "
                    "it, or name files with --source and --reference."
                )
            pairs, of_what = corpus.pairs(split)[:], {"split": split}
        files = str(flags.source), str(flags.reference)
        names = files if flags.source else 2 * (f"The {split} split",)
        check_scored(pairs, run.vocabulary, names)
        run.task.check_references(pairs)
        baseline = list(read_lines(flags.baseline)) if flags.baseline else None
        if baseline is not None and len(baseline) != len(pairs):
            raise ValueError(
                f"--baseline={flags.baseline} must have one line a sentence: it has "
                f"{len(baseline):,}, and there are {len(pairs):,} sentences."
            )
        training.use_compilation_cache(flags.cache_dir)
    progress.wait_for(f"compiling, then scoring {len(pairs):,} pairs")
    scores, translations = run.evaluator(decode).score(
        jax.device_put(run.params),
        pairs,
        progress=lambda done, total: progress.update(f"translated {done:,} of {total:,} lines"),
    )
    if flags.output:
        with command.user_errors():
            training.write_lines(flags.output, translations)
    about: dict[str, Any] = {**of_what, "sentences": len(pairs), "steps": list(run.steps)}
    about |= {"beam_size": decode.beam_size, "length_penalty": decode.length_penalty}
    if baseline is not None:
        progress.wait_for("comparing with the baseline")
        references = [reference for _, reference in pairs]
        found = compare(translations, baseline, references, **runs.tokens(run.config))
        about["against"] = {"baseline": str(flags.baseline), **found}
    progress.clear()
    print(json.dumps({**scores, **about}, indent=2))


def parse(argv: list[str]) -> argparse.Namespace:
    """Returns the flags."""
    arguments = command.parser(__doc__)
    arguments.add_argument("--workdir", type=pathlib.Path, required=True, help="a trained run")
    arguments.add_argument("--split", help="of the run's corpus (default: its test split)")
    arguments.add_argument("--source", type=pathlib.Path, help="a file, one sentence a line")
    arguments.add_argument("--reference", type=pathlib.Path, help="its translation, line by line")
    command.add_decode(arguments)
    command.add_checkpoints(arguments)
    arguments.add_argument("--output", type=pathlib.Path, help="a file for the translations")
    arguments.add_argument("--baseline", type=pathlib.Path, help="other translations to compare")
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


if __name__ == "__main__":
    command.run(main)
