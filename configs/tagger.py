"""Tags for words, by the encoder alone: a treebank's, at a size that two CPU cores train.

    python train.py --config=configs/tagger.py --config.data.dir=FOLDER --workdir=runs/tagger
    echo "The baker sells bread ." | python translate.py --workdir=runs/tagger

FOLDER is that of treebank_parsing.py. With --config.model.system=transformer an encoder-decoder
says the same tags one after another (docs/labelling.md).
"""

from ml_collections import ConfigDict

from configs import wmt14_base


def get_config() -> ConfigDict:
    """Returns 4 layers, strongly regularised, with a search that has nothing to choose."""
    config = wmt14_base.get_config()
    config.model.update(system="encoder_only", norm_placement="pre")
    config.model.update(d_model=128, d_ff=256, num_heads=4, num_layers=4, dropout_rate=0.3)
    config.data.update(corpus="treebank", dir="treebank", vocab_size=2_000)
    config.data.update(source_language="marked_words", target_language="tags")
    config.data.update(bucket_lengths=(32, 64, 96, 128, 192, 256))
    config.train.update(num_steps=2_000, tokens_per_batch=3_072, warmup_steps=300)
    config.train.update(learning_rate_scale=0.5)
    config.train.update(evaluate_every=500, save_every=250, label_smoothing=0.0)
    config.decode.update(beam_size=1)  # no label depends on another
    return config
