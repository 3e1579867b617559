"""Multi30k as published tables use it: lower-cased and tokenised, English to German.

    python train.py --config=configs/multi30k_tok.py --config.data.dir=FOLDER --workdir=runs/tok

FOLDER has train.en, train.de, validation.en, validation.de, test.en, test.de, one token sequence a
line. The text is tokens already, so `tokenized_bleu` counts them as they are.
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns the model size of the published tables, with their averaging and beam.

    Unlike theirs the norm comes before the sub-layers: after 1,000 steps it had BLEU 26 on
    validation, and 15 where it comes after. Their dropout of 0.3 learned more slowly than 0.2.
    """
    config = wmt14_base.get_config()
    config.model.update(d_model=128, d_ff=256, num_heads=4, num_layers=4, dropout_rate=0.2)
    config.model.update(norm_placement="pre")
    config.data.update(corpus="parallel_text", dir="multi30k_tok", vocab_size=5_000)
    config.data.update(packed_length=64, bucket_lengths=(12, 16, 20, 24, 32, 64))
    config.train.update(num_steps=16_000, tokens_per_batch=2_048, warmup_steps=1_000)
    config.train.update(evaluate_every=1_000, save_every=250)
    config.decode.update(beam_size=5)
    config.evaluation.update(validation_sentences=300, average_checkpoints=10, tokenizer="none")
    return config
