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
    config.model.update(d_model=128, d_ff=256, num_heads=4, num_layers=2)
    config.data.update(corpus="numbers", vocab_size=512)
    config.data.update(packed_length=48, bucket_lengths=(8, 12, 16, 32))
    config.train.update(num_steps=800, tokens_per_batch=1_536, warmup_steps=300)
    config.train.update(learning_rate_scale=0.5, log_every=50, evaluate_every=200)
    config.train.update(save_every=50, keep_checkpoints=5)
    config.decode.update(sentences_per_batch=128)
    config.evaluation.update(validation_sentences=200)
    return config
