"""Numbers in words, English to German: the default, minutes on two CPU cores, no download.

    python train.py

"seven hundred and forty thousand, two hundred and thirteen" becomes
"siebenhundertvierzigtausendzweihundertdreizehn": units before tens, so order matters.
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns a model of 2 + 2 layers and a corpus that is generated on the spot."""
    config = wmt14_base.get_config()
    config.model.update(d_model=128, d_ff=512, num_heads=4, num_layers=2)
    config.data.update(corpus="numbers", vocab_size=512)
    config.data.update(packed_length=48, bucket_lengths=(8, 12, 16, 32))
    config.train.update(num_steps=1_200, tokens_per_batch=3_072, warmup_steps=400)
    config.train.update(log_every=50, evaluate_every=400, save_every=400, keep_checkpoints=3)
    config.decode.update(sentences_per_batch=128)
    config.evaluation.update(validation_sentences=200, average_checkpoints=1)
    return config
