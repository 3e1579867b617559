"""Constituency parsing, the paper's section 6.3, at a size that two CPU cores train.

    python train.py --config=configs/treebank_parsing.py --config.data.dir=FOLDER \
        --workdir=runs/parsing
    python train.py --config=configs/treebank_parsing.py:recurrent --config.data.dir=FOLDER \
        --workdir=runs/parsing_recurrent

The second is LSTMs with attention, of as many parameters; `treebank_parsing.py:sinusoidal` is the
first with the paper's positions.

FOLDER has train.mrg, validation.mrg and test.mrg, or wsj_0001.mrg, ... (docs/parsing.md): some
thousands of sentences. With --config.data.target_language=tags it learns their tags.
"""

from ml_collections import ConfigDict

from configs import wmt14_base

# The norm before the sub-layers learns more in few steps (multi30k_tok.py), and so do rotary
# positions (docs/parsing.md).
ROWS = {
    "transformer": {"model.norm_placement": "pre", "model.positions": "rotary"},
    "sinusoidal": {"model.norm_placement": "pre"},
    "recurrent": {"model.system": "recurrent", "model.d_model": 164},
}


def get_config(row: str = "transformer") -> ConfigDict:
    """Returns the paper's 4 layers and its search, with a small, strongly regularised model.

    A tree's leaves are its words: with XX in their place such a model hardly learns how many there
    are (docs/parsing.md, measured with sinusoids).
    """
    config = wmt14_base.get_config()
    config.model.update(d_model=128, d_ff=512, num_heads=4, num_layers=4, dropout_rate=0.3)
    config.data.update(corpus="treebank", dir="treebank", vocab_size=2_000)
    config.data.update(source_language="words", target_language="worded_tree")
    config.data.update(bucket_lengths=(32, 64, 96, 128, 192, 256))
    config.train.update(num_steps=2_000, tokens_per_batch=2_048, warmup_steps=500)
    config.train.update(evaluate_every=1_000, save_every=100)
    config.decode.update(beam_size=21, length_penalty=0.3, max_extra_tokens=300)  # 6.3
    config.decode.update(sentences_per_batch=16)  # of 21 hypotheses each
    config.evaluation.update(validation_sentences=50)
    config.update_from_flattened_dict(ROWS[row])
    return config
