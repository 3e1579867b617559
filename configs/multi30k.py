"""Multi30k, English to German: 29,000 image captions, hours on two CPU cores.

    python train.py --config=configs/multi30k.py --config.data.dir=multi30k --workdir=runs/multi30k

`multi30k` is a folder with train.en, train.de, validation.en, validation.de, test.en, test.de.
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns a model of 4 + 4 layers, small and strongly regularised, as the corpus needs."""
    config = wmt14_base.get_config()
    config.model.update(d_model=128, d_ff=256, num_heads=4, num_layers=4, dropout_rate=0.2)
    config.data.update(corpus="parallel_text", dir="multi30k", vocab_size=8_000)
    config.data.update(packed_length=64, bucket_lengths=(12, 16, 20, 24, 32, 64))
    config.train.update(num_steps=10_000, tokens_per_batch=1_536, warmup_steps=1_000)
    config.train.update(evaluate_every=1_000, save_every=250)
    config.evaluation.update(validation_sentences=300, average_checkpoints=10)
    return config
