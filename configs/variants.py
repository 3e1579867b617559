"""Every variant of the model against the paper's, on numbers in words: no download.

python sweep.py --config=configs/variants.py --processes=2
python train.py --config=configs/variants.py:rotary --workdir=runs/rotary
"""

from ml_collections import ConfigDict

from configs import wmt14_base

ROWS = {
    "paper": {},
    "learned": {"model.positions": "learned", "model.max_positions": 128},
    "no-positions": {"model.positions": "none"},
    "rotary": {"model.positions": "rotary"},
    "alibi": {"model.positions": "alibi"},
    "relative": {"model.positions": "relative"},
    "pre-norm": {"model.norm_placement": "pre"},
    "rms-norm": {"model.norm": "rms"},
    "gelu": {"model.activation": "gelu"},
    "swiglu": {"model.activation": "swiglu"},
    "target-tied": {"model.tied_embeddings": "target"},
    "untied": {"model.tied_embeddings": "none"},
    "window": {"model.attention_window": 5},
    "attention-dropout": {"model.attention_dropout_rate": 0.1},
    "activation-dropout": {"model.activation_dropout_rate": 0.1},
}


def get_config(row: str = "paper") -> ConfigDict:
    """Returns a model of 2 + 2 layers with what `row` changes."""
    config = wmt14_base.get_config()
    config.model.update(d_model=64, d_ff=128, num_heads=4, num_layers=2)
    config.data.update(corpus="numbers", vocab_size=512)
    config.data.update(packed_length=48, bucket_lengths=(8, 12, 16, 32))
    config.train.update(num_steps=600, tokens_per_batch=1_536, warmup_steps=300)
    config.train.update(learning_rate_scale=0.5, log_every=50, evaluate_every=600)
    config.train.update(save_every=200, keep_checkpoints=2)
    config.decode.update(sentences_per_batch=128)
    config.evaluation.update(validation_sentences=200, average_checkpoints=1)
    config.update_from_flattened_dict(ROWS[row])
    return config
