"""Constituency parsing on the Wall Street Journal: the paper's section 6.3, its table 4.

    python train.py --config=configs/wsj_parsing.py --config.data.dir=FOLDER --workdir=runs/wsj

FOLDER has the treebank's wsj_0200.mrg to wsj_2399.mrg, in whatever folders: sections 02 to 21 are
trained on, 22 is validation and 23 the test, as in the paper.
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns the model that the paper trains on 40,000 sentences.

    Layers, width, vocabulary and search are given there. Dropout, of attention weights too, and
    learning rate it chose on section 22 and does not say: those here are tensor2tensor's. All else
    is the base model's, as the paper says, its 100,000 steps among it.
    """
    config = wmt14_base.get_config()
    config.model.update(d_model=1024, num_layers=4)
    config.model.update(dropout_rate=0.2, attention_dropout_rate=0.2)
    config.data.update(corpus="treebank", dir="wsj", vocab_size=16_000)
    config.data.update(source_language="words", target_language="tree")
    config.data.update(bucket_lengths=(32, 64, 96, 128, 192, 256))
    config.train.update(warmup_steps=16_000)
    config.decode.update(beam_size=21, length_penalty=0.3, max_extra_tokens=300)
    config.decode.update(sentences_per_batch=16)  # of 21 hypotheses each
    config.evaluation.update(validation_sentences=200)
    return config
