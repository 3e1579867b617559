"""The paper's table 3, row by row: what each row changes of the base model.

    python train.py --config=configs/table3.py:B1 --workdir=runs/B1
    python sweep.py --config=configs/table3.py --dry_run

As there, nothing is averaged, and the scores are of newstest2013, which is `validation` here.
"""

from ml_collections import ConfigDict

from configs import wmt14_base

ROWS = {
    "base": {},
    "A1": {"model.num_heads": 1},  # and so d_k = d_v = d_model / num_heads = 512
    "A2": {"model.num_heads": 4},
    "A3": {"model.num_heads": 16},
    "A4": {"model.num_heads": 32},
    "B1": {"model.d_k": 16},
    "B2": {"model.d_k": 32},
    "C1": {"model.num_layers": 2},
    "C2": {"model.num_layers": 4},
    "C3": {"model.num_layers": 8},
    "C4": {"model.d_model": 256},
    "C5": {"model.d_model": 1024},
    "C6": {"model.d_ff": 1024},
    "C7": {"model.d_ff": 4096},
    "D1": {"model.dropout_rate": 0.0},
    "D2": {"model.dropout_rate": 0.2},
    "D3": {"train.label_smoothing": 0.0},
    "D4": {"train.label_smoothing": 0.2},
    "E": {"model.positions": "learned"},
    "big": {
        "model.d_model": 1024,
        "model.d_ff": 4096,
        "model.num_heads": 16,
        "model.dropout_rate": 0.3,
        "train.num_steps": 300_000,
    },
}

# What the paper reports: perplexity per word piece, BLEU, millions of parameters where given; and
# the size of vocabulary, in pieces, that these parameters imply (docs/parameters.md).
PUBLISHED = {
    "base": {"perplexity": 4.92, "bleu": 25.8, "parameters": 65, "pieces": 41_100},
    "A1": {"perplexity": 5.29, "bleu": 24.9},
    "A2": {"perplexity": 5.00, "bleu": 25.5},
    "A3": {"perplexity": 4.91, "bleu": 25.8},
    "A4": {"perplexity": 5.01, "bleu": 25.4},
    "B1": {"perplexity": 5.16, "bleu": 25.1, "parameters": 58, "pieces": 41_100},
    "B2": {"perplexity": 5.01, "bleu": 25.4, "parameters": 60, "pieces": 41_100},
    "C1": {"perplexity": 6.11, "bleu": 23.7, "parameters": 36, "pieces": 41_100},
    "C2": {"perplexity": 5.19, "bleu": 25.3, "parameters": 50, "pieces": 41_100},
    "C3": {"perplexity": 4.88, "bleu": 25.5, "parameters": 80, "pieces": 41_100},
    "C4": {"perplexity": 5.75, "bleu": 24.5, "parameters": 28, "pieces": 41_100},
    "C5": {"perplexity": 4.66, "bleu": 26.0, "parameters": 168, "pieces": 41_100},
    "C6": {"perplexity": 5.12, "bleu": 25.4, "parameters": 53, "pieces": 41_100},
    "C7": {"perplexity": 4.75, "bleu": 26.2, "parameters": 90, "pieces": 41_100},
    "D1": {"perplexity": 5.77, "bleu": 24.6},
    "D2": {"perplexity": 4.95, "bleu": 25.5},
    "D3": {"perplexity": 4.67, "bleu": 25.3},
    "D4": {"perplexity": 5.47, "bleu": 25.7},
    "E": {"perplexity": 4.92, "bleu": 25.7},
    "big": {"perplexity": 4.33, "bleu": 26.4, "parameters": 213, "pieces": 36_000},
}


def get_config(row: str = "base") -> ConfigDict:
    """Returns the base model with what `row` changes."""
    config = wmt14_base.get_config()
    config.evaluation.update(test_split="validation", average_checkpoints=1)
    config.update_from_flattened_dict(ROWS[row])
    return config
