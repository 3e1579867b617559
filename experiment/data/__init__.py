"""Text to batches: bytes become arrays here, and nowhere else.

Example:
    data = prepare_training_data(config, cache_dir, report)
    for batch in training_batches(data.train, data.plan, start_step=0, num_steps=1_000): ...
"""

from experiment.data.atomic import new_folder, sync, write_file
from experiment.data.batching import BatchPlan, batch_plan, bucketed_plan, packed_plan
from experiment.data.corpora import (
    CLOSES,
    HOLDS,
    MARK,
    OPENS,
    PUNCTUATION,
    ROOTS,
    TOP,
    WORD,
    Corpus,
    Pairs,
    Tree,
    Unreadable,
    bracketed,
    linearised,
    lines_of,
    marked_sentence,
    marked_words,
    open_corpus,
    read_lines,
    read_pairs,
    unmarked,
    walked,
)
from experiment.data.pipeline import (
    MAX_SENTENCE_TOKENS,
    Batch,
    assemble,
    evaluation_batches,
    fingerprint,
    training_batches,
)
from experiment.data.prepare import (
    TrainingData,
    check_scored,
    in_the_order_of,
    prepare_training_data,
    prepare_vocabulary,
)
from experiment.data.rows import PlannedBatch
from experiment.data.token_ids import BpeDropout, TokenIds, prepare_token_ids
from experiment.data.vocabulary import (
    BOS_ID,
    EOS_ID,
    MARK_ID,
    PAD_ID,
    UNK_ID,
    Vocabulary,
    train_vocabulary,
)

__all__ = [
    "BOS_ID",
    "CLOSES",
    "EOS_ID",
    "HOLDS",
    "MARK",
    "MARK_ID",
    "MAX_SENTENCE_TOKENS",
    "OPENS",
    "PAD_ID",
    "PUNCTUATION",
    "ROOTS",
    "TOP",
    "UNK_ID",
    "WORD",
    "Batch",
    "BatchPlan",
    "BpeDropout",
    "Corpus",
    "Pairs",
    "PlannedBatch",
    "TokenIds",
    "TrainingData",
    "Tree",
    "Unreadable",
    "Vocabulary",
    "assemble",
    "batch_plan",
    "bracketed",
    "bucketed_plan",
    "check_scored",
    "evaluation_batches",
    "fingerprint",
    "in_the_order_of",
    "linearised",
    "lines_of",
    "marked_sentence",
    "marked_words",
    "new_folder",
    "open_corpus",
    "packed_plan",
    "prepare_token_ids",
    "prepare_training_data",
    "prepare_vocabulary",
    "read_lines",
    "read_pairs",
    "sync",
    "train_vocabulary",
    "training_batches",
    "unmarked",
    "walked",
    "write_file",
]
