"""Two base models that go by the same name: the paper's, and tensor2tensor's later one.

    python train.py --config=configs/presets.py:paper --workdir=runs/paper
    python train.py --config=configs/presets.py:t2t --workdir=runs/t2t

The authors' own library changed its `transformer_base` twice after the paper (versions 1 to 3), and
most "Transformer base" results since are of the last. All that differs stands in `ROWS`.
"""

from ml_collections import ConfigDict

from configs import wmt14_base

ROWS = {
    "paper": {},
    "t2t": {
        "model.norm_placement": "pre",  # since version 2, as the other lines but the last
        "model.attention_dropout_rate": 0.1,
        "model.activation_dropout_rate": 0.1,
        "train.learning_rate_scale": 2.0,
        "train.warmup_steps": 8_000,
        "train.adam_b2": 0.997,  # since version 3
    },
}


def get_config(row: str = "paper") -> ConfigDict:
    """Returns the base model on WMT14 with what `row` changes."""
    config = wmt14_base.get_config()
    config.update_from_flattened_dict(ROWS[row])
    return config
