"""Everything a run needs of its data, prepared once and found again the next time."""

import hashlib
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from experiment.config import NOTHING, ExperimentConfig
from experiment.data.batching import BatchPlan, batch_plan
from experiment.data.corpora import Corpus, open_corpus
from experiment.data.pipeline import MAX_SENTENCE_TOKENS, fingerprint
from experiment.data.progress import Progress
from experiment.data.token_ids import BpeDropout, TokenIds, prepare_token_ids
from experiment.data.vocabulary import MARK_ID, Vocabulary, train_vocabulary

_SENTENCES_AT_ONCE = 10_000
# Characters: normalised, one becomes 33 bytes at most, and a byte a token.
_SURELY_SHORT = MAX_SENTENCE_TOKENS // 40


class TrainingData(NamedTuple):
    """The training split as ids, and what was needed to get there."""

    corpus: Corpus
    vocabulary: Vocabulary
    train: TokenIds
    plan: BatchPlan
    fingerprint: dict[str, str]


def prepare_training_data(
    config: ExperimentConfig,
    cache_dir: pathlib.Path,
    report: Callable[[str], None],
    *,
    vocabulary: Vocabulary | None = None,
) -> TrainingData:
    """Returns the data of a run; what takes long is kept in `cache_dir`.

    `vocabulary` is that of a run which goes on; without it, one is trained or found in the cache.

    Raises:
      ValueError: in one line, if the corpus is not there, not well-formed or does not fit.
    """
    needed = ("train", "validation", config.evaluation.test_split)
    corpus = open_corpus(config.data, cache_dir, report, needed=needed)
    vocabulary = vocabulary or prepare_vocabulary(corpus, config.data.vocab_size, cache_dir, report)
    if config.data.marks:
        _check_symbols(corpus, vocabulary)
    for split in ("validation", config.evaluation.test_split):
        check_scored(corpus.pairs(split), vocabulary, 2 * (f"The {split} split",))
    rate, samples = config.data.bpe_dropout_rate, config.data.bpe_dropout_samples
    dropout = BpeDropout(rate, samples) if rate else None
    train = prepare_token_ids(corpus, "train", vocabulary, cache_dir, report, dropout=dropout)
    plan = _plan(train, config)
    ways = f" ({len(train) // samples:,}, each cut in {samples} ways)" if samples > 1 else ""
    report(
        f"data: {len(train):,} training pairs{ways}, {vocabulary.size:,} pieces, "
        f"{plan.batches_per_epoch:,} batches an epoch; {plan.num_dropped:,} pairs dropped as longer"
        f" than {config.longest_row} tokens"
    )
    return TrainingData(corpus, vocabulary, train, plan, fingerprint(corpus, vocabulary, plan))


def check_scored(
    pairs: Sequence[tuple[str, str]], vocabulary: Vocabulary, names: tuple[str, str]
) -> None:
    """Refuses sentences that are too long to be scored: none may be left out of a score.

    Raises:
      ValueError: naming the first by its line; `names` say what sources and targets are lines of.
    """
    for number, pair in enumerate(pairs, 1):
        for name, text in zip(names, pair, strict=True):
            if len(text) > _SURELY_SHORT:
                size = len(vocabulary.encode(text))
                if size > MAX_SENTENCE_TOKENS:
                    raise ValueError(
                        f"{name}, line {number}: a sentence that is scored must have at most "
                        f"{MAX_SENTENCE_TOKENS:,} tokens, this has {size:,}. Split it."
                    )


def _check_symbols(corpus: Corpus, vocabulary: Vocabulary) -> None:
    """Refuses another run's vocabulary that spells marks or labels in letters."""
    for number, symbol in enumerate(corpus.symbols):
        ids = vocabulary.encode(symbol)
        if len(ids) != 2 or (number == 0 and ids[0] != MARK_ID):
            raise ValueError(
                f"The vocabulary must have the symbol {symbol!r} as one piece, and it has not: it "
                "is that of a run with other labels. Leave out --finetune_from."
            )


def in_the_order_of(config: ExperimentConfig, data: TrainingData) -> TrainingData:
    """Returns `data`, prepared for another seed, as a run of `config` goes through it."""
    plan = _plan(data.train, config)
    digests = fingerprint(data.corpus, data.vocabulary, plan)
    return data._replace(plan=plan, fingerprint=digests)


def _plan(train: TokenIds, config: ExperimentConfig) -> BatchPlan:
    return batch_plan(
        train.lengths,
        config.data,
        tokens_per_batch=config.train.tokens_per_batch,
        seed=config.seed,
    )


def prepare_vocabulary(
    corpus: Corpus, size: int, cache_dir: pathlib.Path, report: Callable[[str], None]
) -> Vocabulary:
    """Returns the vocabulary of a corpus' training split, all languages together (5.1).

    The corpus' symbols are pieces of it.
    """
    names = f"{corpus.identity} {corpus.direction} {size}" + "".join(
        f" {s}" for s in corpus.symbols
    )
    key = hashlib.sha256(names.encode()).hexdigest()[:32]
    path = cache_dir / "vocabularies" / f"{key}.model"
    if path.exists():
        return Vocabulary.load(path)
    report(f"training a vocabulary of {size:,} pieces ...")
    vocabulary = train_vocabulary(_sentences(corpus, report), size, corpus.symbols)
    vocabulary.save(path)
    return vocabulary


def _sentences(corpus: Corpus, report: Callable[[str], None]) -> Iterator[str]:
    pairs = corpus.pairs("train")
    progress = Progress(report, "reading the training split", len(pairs))
    for start in range(0, len(pairs), _SENTENCES_AT_ONCE):
        chunk = pairs[start : start + _SENTENCES_AT_ONCE]
        for source, target in chunk:
            if corpus.source_language != NOTHING:
                yield source
            yield target
        progress.advance(len(chunk))
