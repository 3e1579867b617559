"""Scores a trained run on a split of its corpus, or on any two files: one JSON object.

    python evaluate.py --workdir=runs/numbers
    python evaluate.py --workdir=runs/numbers --split=test_millions
    python evaluate.py --workdir=runs/multi30k --source=news.en --reference=news.de
    python evaluate.py --workdir=runs/two_heads --baseline=runs/multi30k/translations.txt

sacrebleu and chrf are of text as it is; tokenized_bleu is the paper's BLEU, of tokens with
compounds split; each has its signature. exact_match is in percent; perplexity is per word piece,
ends of sentences included. Trees, tags and labels have other scores (docs/parsing.md,
docs/labelling.md), and so has a language model, for which --reference=FILE alone is a text.
--baseline says how far another run's BLEU, labelled F1 or accuracy lies, and how likely by chance.
"""

import argparse
import json
import pathlib
from typing import Any

import jax

from experiment import command, training
from experiment.analysis import runs
from experiment.data import check_scored, read_lines, read_pairs


def main(argv: list[str]) -> None:
    """Reads the flags, loads the run and the text, scores."""
    flags = parse(argv)
    progress = training.Progress()
    with command.user_errors():
        command.check_positive(flags, "average", "step", "beam_size")
        if flags.split and (flags.source or flags.reference):
            raise ValueError("--split and --source are two ways to say what to score. Give one.")
        if flags.output and not flags.output.absolute().parent.is_dir():
            raise ValueError(f"--output={flags.output} must lie in a folder that is there.")
        with progress.waiting("the checkpoints to be read"):
            run = runs.load(flags.workdir, average=flags.average, step=flags.step, say=progress.say)
        check_flags(flags, run)
        decode = command.changed_decode(run.config.decode, flags)
        if flags.reference:
            read = read_pairs(flags.source, flags.reference)
            pairs = [(run.task.read(source), reference) for source, reference in read]
            named = {"source": flags.source, "reference": flags.reference}
            of_what = {name: str(path) for name, path in named.items() if path}
        else:
            split = flags.split or run.config.evaluation.test_split
            pairs = run.pairs(split, flags.cache_dir.expanduser(), progress.say)
            of_what = {"split": split}
        names = tuple(of_what.values()) if flags.reference else (f"The {split} split",)
        check_scored(pairs, run.vocabulary, (names[0], names[-1]))
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
        progress=lambda done, total: progress.update(f"scored {done:,} of {total:,} lines"),
    )
    if flags.output:
        with command.user_errors():
            training.write_lines(flags.output, translations)
    about: dict[str, Any] = {**of_what, "sentences": len(pairs), "steps": list(run.steps)}
    if not run.task.continues:
        names = ("beam_size", "length_penalty", *(command.OF_SAMPLES if decode.temperature else ()))
        about |= {name: getattr(decode, name) for name in names}
    if baseline is not None:
        progress.wait_for("comparing with the baseline")
        sources, references = ([pair[side] for pair in pairs] for side in (0, 1))
        found = run.task.compare(sources, translations, baseline, references)
        about["against"] = {"baseline": str(flags.baseline), **found}
    progress.clear()
    print(json.dumps({**scores, **about}, indent=2))


def check_flags(flags: argparse.Namespace, run: runs.Run) -> None:
    """Refuses flags that say nothing of this run, or not enough.

    Raises:
      ValueError: naming the first.
    """
    where = run.workdir.path
    if run.task.continues:
        for name in ("source", "output", "baseline", *command.DECODE_FLAGS):
            if getattr(flags, name) is not None:
                raise ValueError(
                    f"--{name} is of what a model says of a source, and {where} is a language "
                    "model, scored by how well it expects a text. Give --split or --reference."
                )
    elif bool(flags.source) != bool(flags.reference):
        raise ValueError("--source and --reference go together: give both, or --split.")


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
    arguments.add_argument(
        "--baseline", type=pathlib.Path, help="another run's translations.txt, to compare"
    )
    command.add_cache_dir(arguments)
    return arguments.parse_args(argv)


if __name__ == "__main__":
    command.run(main)
