"""A language model of the English side of Multi30k: 29,000 captions, an hour on two CPU cores.

    python train.py --config=configs/language_model.py --config.data.dir=FOLDER --workdir=runs/lm
    echo "Two men are" | python translate.py --workdir=runs/lm --n_best=5

FOLDER has train.en, validation.en and test.en; no other language is read. Without a folder, on
numbers in words: --config.data.corpus=numbers --config.data.dir="" --config.data.vocab_size=512
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns a stack of 5 layers, 2.3 million parameters, small and strongly regularised."""
    config = wmt14_base.get_config()
    config.model.update(system="decoder_only", norm_placement="pre", dropout_rate=0.3)
    config.model.update(d_model=160, d_ff=640, num_heads=4, num_layers=5)
    config.data.update(corpus="parallel_text", dir="multi30k", vocab_size=5_000)
    config.data.update(source_language="nothing", target_language="en")
    config.data.update(packed_length=64, bucket_lengths=(12, 16, 20, 24, 32, 64))
    config.train.update(num_steps=6_000, tokens_per_batch=2_048, warmup_steps=1_000)
    config.train.update(label_smoothing=0.0, evaluate_every=500, save_every=250)
    # Samples, of the likeliest tokens only; the likeliest text is a dull one.
    config.decode.update(beam_size=1, length_penalty=0.0, temperature=1.0, top_p=0.95)
    return config
