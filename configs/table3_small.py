"""Table 3 at a size that a laptop finishes: every row of `table3.py`, scaled, on Multi30k.

    python train.py --config=configs/table3_small.py:B1 --config.data.dir=FOLDER --workdir=runs/B1
    python sweep.py --config=configs/table3_small.py --config.data.dir=FOLDER

FOLDER has train.en, train.de, validation.en and validation.de. The base model is an eighth as wide
as the paper's and half as deep; each row changes it by the paper's factor.
"""

from ml_collections import ConfigDict

from configs import table3, wmt14_base

ROWS = table3.ROWS | {
    "B1": {"model.d_k": 2},
    "B2": {"model.d_k": 4},
    "C1": {"model.num_layers": 1},
    "C2": {"model.num_layers": 2},
    "C3": {"model.num_layers": 4},
    "C4": {"model.d_model": 32},
    "C5": {"model.d_model": 128},
    "C6": {"model.d_ff": 128},
    "C7": {"model.d_ff": 512},
    "E": {"model.positions": "learned", "model.max_positions": 128},
    "big": {
        "model.d_model": 128,
        "model.d_ff": 512,
        "model.num_heads": 16,
        "model.dropout_rate": 0.3,
        "train.num_steps": 6_000,
    },
}

PUBLISHED = {  # of the full size
    row: {name: value for name, value in figures.items() if name != "pieces"}
    for row, figures in table3.PUBLISHED.items()
}


def get_config(row: str = "base") -> ConfigDict:
    """Returns the small base model with what `row` changes."""
    config = wmt14_base.get_config()
    config.model.update(d_model=64, d_ff=256, num_layers=3)
    config.data.update(corpus="parallel_text", dir="multi30k", vocab_size=4_000)
    config.data.update(packed_length=64, bucket_lengths=(12, 16, 20, 24, 32, 64))
    config.train.update(num_steps=2_000, tokens_per_batch=1_536, warmup_steps=1_000)
    config.train.update(evaluate_every=1_000, save_every=500, keep_checkpoints=2)
    config.evaluation.update(validation_sentences=100)
    config.evaluation.update(test_split="validation", average_checkpoints=1)
    config.update_from_flattened_dict(ROWS[row])
    return config
