"""Transformer (base) on WMT14 English to German: the whole recipe, as in the paper.

    python train.py --config=configs/wmt14_base.py --workdir=runs/wmt14_base

The other files of this folder change a few lines of it.
"""

from ml_collections import ConfigDict, config_dict


def get_config() -> ConfigDict:
    """Returns the paper's base model, table 3, first row."""
    config = ConfigDict({"seed": 0})
    config.model = ConfigDict(
        {
            "d_model": 512,
            "d_ff": 2048,
            "num_heads": 8,
            "num_layers": 6,  # of the encoder, and of the decoder
            "d_k": config_dict.placeholder(int),  # a head's width; None: d_model / num_heads
            "d_v": config_dict.placeholder(int),
            "dropout_rate": 0.1,  # 5.4
            # Variants; the first of each is the paper's.
            "attention_dropout_rate": 0.0,
            "activation_dropout_rate": 0.0,
            "positions": "sinusoidal",  # learned, none, rotary, alibi, relative; 3.5
            "max_positions": 1024,  # of learned positions, in tokens
            "norm": "layer",  # rms
            "norm_placement": "post",  # pre; 3.1
            "activation": "relu",  # gelu, swiglu; 3.3
            "tied_embeddings": "all",  # target (source apart), none; 3.4
            "attention_window": 0,  # positions that self-attention sees; 0: all; 4
            # How it is computed; the parameters are the same.
            "dtype": "float32",  # bfloat16: activations and products, on accelerators
            "remat": False,  # compute a layer's activations again rather than keep them
            "scan_layers": False,  # one program for all layers: compiles faster
            # What the Transformer is compared with, and settings that only these have.
            "system": "transformer",  # decoder_only, encoder_only, recurrent, convolutional
            "attention": "multiplicative",  # additive; recurrent
            "input_feeding": True,  # recurrent
            "kernel_width": 3,  # tokens; convolutional
        }
    )
    config.data = ConfigDict(
        {
            "corpus": "wmt14_translate/de-en",  # "numbers", "parallel_text", ... or any TFDS name
            "dir": "",  # of parallel_text: the folder with train.en, train.de, ...
            "source_language": "en",
            "target_language": "de",
            "vocab_size": 37_000,  # subword pieces shared by both languages; 5.1
            "batching": "packed",  # into rows; or "bucketed" by length. Longer pairs are dropped
            "packed_length": 256,  # tokens a row
            "bucket_lengths": (16, 32, 48, 64, 96, 128, 256),  # tokens a row; also in evaluation
            "bpe_dropout_rate": 0.0,  # merges left out at random when training text is cut ...
            "bpe_dropout_samples": 1,  # ... in so many ways
            "on_error": "refuse",  # skip: leave out training lines that cannot be read
        }
    )
    config.train = ConfigDict(
        {
            "num_steps": 100_000,  # 5.2
            "tokens_per_batch": 25_000,  # padded, each side, over all devices; 5.1
            "warmup_steps": 4_000,  # 5.3
            "learning_rate_scale": 1.0,  # times equation 3
            "cooldown_steps": 0,  # over the last so many the rate falls to 0
            "adam_b1": 0.9,  # 5.3
            "adam_b2": 0.98,
            "adam_epsilon": 1e-9,
            "label_smoothing": 0.1,  # 5.4
            "r_drop": 0.0,  # alpha of R-Drop; above 0 every batch goes through the model twice
            "log_every": 100,  # steps
            "evaluate_every": 5_000,
            "save_every": 1_500,  # about the paper's ten minutes, at its 0.4 s a step
            "keep_checkpoints": 10,
            "keep_every": 0,
            "keep_best": 0,
            "max_skipped_in_a_row": 10,
        }
    )
    config.decode = ConfigDict(
        {
            "beam_size": 4,  # 6.1
            "length_penalty": 0.6,
            "max_extra_tokens": 50,  # an output is at most as long as its input plus this
            "sentences_per_batch": 64,
            "temperature": 0.0,  # of samples, beam_size of them; 0: search
            "top_k": 0,  # tokens that a sample's next is drawn from; 0: all
            "top_p": 1.0,  # ... and their probability together; 1: all
            "seed": 0,  # of samples
        }
    )
    config.evaluation = ConfigDict(
        {
            "validation_sentences": 0,  # translated at each evaluation; 0: all of them
            "test_split": "test",
            "average_checkpoints": 5,  # 6.1
            "tokenizer": "moses",  # of the paper's BLEU; none: the text is tokenised already
        }
    )
    config.mesh = ConfigDict(
        {
            "data": 0,  # 0: pmap over all devices; else a mesh, -1: of as many as are left
            "fsdp": 1,  # devices that parameters and optimizer are spread over
            "tensor": 1,  # ... that heads, hidden features and the vocabulary are spread over
            "tokens_per_device": 0,  # at once, padded, a side; 0: all. More: gradients add up
        }
    )
    return config
