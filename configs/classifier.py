"""Labels for sentences, by the encoder alone: whether two words of a sentence were exchanged.

    python train.py --config=configs/classifier.py --config.data.dir=FOLDER \
        --workdir=runs/order
    python train.py --config=configs/classifier.py --config.data.dir=FOLDER \
        --config.model.positions=none --workdir=runs/blind
    python train.py --config=configs/classifier.py --config.data.corpus=labelled_text \
        --config.data.source_language=text --config.data.target_language=label \
        --config.data.dir=MINE --workdir=runs/mine

FOLDER has train.en, validation.en and test.en, such as Multi30k's captions. Half of the sentences
have two words exchanged. A sentence and its exchanged self are the same words, so the second run,
which is not told where they stand, can only guess. The third is for labels of your own, in
MINE/train.text beside MINE/train.label and so on, one a line (docs/labelling.md).
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns 4 layers with a small vocabulary: the softmax is over all of it, at every mark.

    With sinusoids and dropout 0.1 it overfitted (docs/labelling.md).
    """
    config = wmt14_base.get_config()
    config.model.update(system="encoder_only", norm_placement="pre", positions="rotary")
    config.model.update(d_model=128, d_ff=256, num_heads=4, num_layers=4, dropout_rate=0.3)
    config.data.update(corpus="word_order", dir="multi30k", vocab_size=2_000)
    config.data.update(target_language="order", batching="bucketed")
    config.data.update(bucket_lengths=(12, 16, 20, 24, 32, 64))
    config.train.update(num_steps=4_000, tokens_per_batch=3_072, warmup_steps=500)
    config.train.update(learning_rate_scale=0.5)
    config.train.update(evaluate_every=500, save_every=250, label_smoothing=0.0)
    config.decode.update(beam_size=1, max_extra_tokens=2, sentences_per_batch=128)
    return config
