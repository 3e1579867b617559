"""Transformer (big) on WMT14 English to German, as in the paper.

python train.py --config=configs/wmt14_big.py --workdir=runs/wmt14_big
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns the paper's big model, table 3, last row."""
    config = wmt14_base.get_config()
    config.model.update(d_model=1024, d_ff=4096, num_heads=16, dropout_rate=0.3)
    config.train.update(num_steps=300_000, save_every=600)  # ten minutes at 1.0 s a step
    config.train.keep_checkpoints = 20
    config.evaluation.average_checkpoints = 20  # 6.1
    return config
