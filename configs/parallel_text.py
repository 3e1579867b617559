r"""Your own corpus: a folder of parallel text, one sentence a line.

    python train.py --config=configs/parallel_text.py --config.data.dir=FOLDER \
        --config.data.source_language=en --config.data.target_language=fr --workdir=runs/mine

FOLDER holds train.en and train.fr, validation.en and validation.fr, test.en and test.fr: UTF-8,
as many lines in one as in the other. The model suits some tens of thousands of sentences; for
millions, start from wmt14_base.py with --config.data.corpus=parallel_text.
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns a small model for a small corpus; set `data.dir`."""
    config = wmt14_base.get_config()
    config.model.update(d_model=256, d_ff=1024, num_heads=4, num_layers=3, dropout_rate=0.2)
    config.data.update(corpus="parallel_text", dir="", vocab_size=8_000)
    config.data.update(packed_length=128, bucket_lengths=(16, 32, 48, 64, 128))
    config.train.update(num_steps=20_000, tokens_per_batch=4_096, warmup_steps=2_000)
    config.train.update(evaluate_every=1_000, save_every=1_000)
    config.evaluation.update(validation_sentences=500)
    return config
