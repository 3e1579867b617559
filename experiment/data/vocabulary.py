"""Subword pieces shared by both languages (section 5.1: byte-pair encoding)."""

import concurrent.futures
import hashlib
import io
import pathlib
import random
import re
from collections.abc import Iterable, Sequence
from typing import Any

import sentencepiece

from experiment.data.atomic import write_file

PAD_ID, BOS_ID, EOS_ID, UNK_ID = 0, 1, 2, 3
MARK_ID = 4  # the first symbol; of a corpus with marks these

MAX_TRAINING_SENTENCES = 2_000_000
_LONGEST_SENTENCE = 2**30  # bytes; sentencepiece drops longer ones, by default those over 4,192
_THREADS = 4
_SPACE = "▁"  # as sentencepiece writes it, at the beginning of every text too


class Vocabulary:
    """Text to piece ids and back.

    The strings of the control pieces ("</s>", "<pad>", ...) are ordinary text when they occur in a
    sentence, and characters never seen in training become bytes, so nothing is lost but what
    Unicode normalisation (NFKC, runs of spaces) changes.
    """

    def __init__(self, model_bytes: bytes):
        """Takes a serialised sentencepiece model.

        Raises:
          ValueError: if it is not one, or its control ids are not this project's.
        """
        self.model_bytes = model_bytes
        self.digest = hashlib.sha256(model_bytes).hexdigest()
        try:
            self._processor = sentencepiece.SentencePieceProcessor(model_proto=model_bytes)
        except RuntimeError:
            raise ValueError(
                f"A vocabulary must be a sentencepiece model; these {len(model_bytes)} bytes are "
                "not. Train it again."
            ) from None
        model = self._processor
        ids = (model.pad_id(), model.bos_id(), model.eos_id(), model.unk_id())
        if ids != (PAD_ID, BOS_ID, EOS_ID, UNK_ID):
            raise ValueError(
                "A vocabulary must have pad, bos, eos and unk ids "
                f"{(PAD_ID, BOS_ID, EOS_ID, UNK_ID)}, this one has {ids}. "
                "Train it with train_vocabulary."
            )
        self.size: int = model.get_piece_size()

    def encode(self, text: str) -> list[int]:
        """Returns the ids of `text`, ended by EOS_ID, without BOS_ID."""
        return [*self._processor.encode(text), EOS_ID]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Returns `encode` of every text, on several threads."""
        encoded = self._processor.encode(list(texts), num_threads=_THREADS)
        return [[*ids, EOS_ID] for ids in encoded]

    def sample_all(
        self, texts: Sequence[str], *, dropout_rate: float, seed: int
    ) -> list[list[int]]:
        """Returns ids of every text, each merge left out with probability `dropout_rate`.

        BPE-dropout (Provilkov et al. 2020): rare cuts of a word are trained on too. sentencepiece
        does not try a merge again that it left out, so a rate acts more strongly here than in their
        paper: at 0.1 the sentences of Multi30k become 37% longer. The same seed gives the same ids.
        """
        sampled: list[list[int]] = []

        def sample() -> None:
            sentencepiece.set_random_generator_seed(seed)
            for text in texts:
                ids = self._processor.encode(
                    text, enable_sampling=True, alpha=dropout_rate, nbest_size=-1
                )
                sampled.append([*ids, EOS_ID])

        # sentencepiece seeds its generator once a thread: a new thread starts from the seed.
        with concurrent.futures.ThreadPoolExecutor(max_workers=1) as fresh_thread:
            fresh_thread.submit(sample).result()
        return sampled

    def decode(self, ids: Iterable[int]) -> str:
        """Returns the text of `ids` up to the first EOS_ID; padding and BOS_ID say nothing."""
        return self._processor.decode(_content(ids))

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Returns the piece of each id, control pieces included, a "▁" for each space."""
        return [self._processor.id_to_piece(int(token_id)) for token_id in ids]

    @classmethod
    def load(cls, path: str | pathlib.Path) -> "Vocabulary":
        """Reads a vocabulary that `save` wrote."""
        return cls(pathlib.Path(path).read_bytes())

    def save(self, path: str | pathlib.Path) -> None:
        """Writes the vocabulary whole: a reader never sees a part of it."""
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_file(path, self.model_bytes)


def train_vocabulary(
    sentences: Iterable[str], size: int, symbols: Sequence[str] = ()
) -> Vocabulary:
    """Learns a joint byte-pair vocabulary of at most `size` pieces, control pieces included.

    4 control pieces, 256 single bytes and every character of the corpus come first, merges fill
    the rest; a corpus with too few merges to fill `size` gives a smaller vocabulary. At most
    MAX_TRAINING_SENTENCES are learned from, drawn evenly. The same sentences always give the same
    bytes.

    Each of `symbols` is a piece from the beginning, together with the space before it. A word that
    only begins like a symbol begins with that piece: its text comes back all the same.

    Raises:
      ValueError: if there is no text, or `size` cannot hold symbols, bytes and characters.
    """
    output = io.BytesIO()
    pieces = [f"{_SPACE}{symbol}" for symbol in symbols]
    given: dict[str, Any] = {"user_defined_symbols": pieces} if pieces else {}
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(_sample(sentences, MAX_TRAINING_SENTENCES)),
            model_writer=output,
            model_type="bpe",
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            byte_fallback=True,
            normalization_rule_name="nmt_nfkc",
            max_sentence_length=_LONGEST_SENTENCE,
            num_threads=_THREADS,  # recorded in the model: a machine's own count would change bytes
            pad_id=PAD_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
            minloglevel=4,
            **given,
        )
    except RuntimeError as error:
        raise ValueError(_reason(str(error), size, len(symbols))) from None
    return Vocabulary(output.getvalue())


def _content(ids: Iterable[int]) -> list[int]:
    content = []
    for token_id in ids:
        if token_id == EOS_ID:
            break
        if token_id not in (PAD_ID, BOS_ID):
            content.append(int(token_id))
    return content


def _sample(sentences: Iterable[str], count: int) -> list[str]:
    """Returns `count` sentences drawn evenly from a stream, or all of a shorter one.

    sentencepiece draws samples too, but from a generator that cannot be seeded.
    """
    rng = random.Random(0)
    sample: list[str] = []
    for seen, sentence in enumerate(sentences):
        if seen < count:
            sample.append(sentence)
        elif (place := int(rng.random() * (seen + 1))) < count:
            sample[place] = sentence
    return sample


def _reason(message: str, size: int, num_symbols: int) -> str:
    """Says what sentencepiece's `message` means for someone who set data.vocab_size."""
    symbols = f"{num_symbols} symbols, " if num_symbols else ""
    if needed := re.search(r"required_chars\. \d+ vs (\d+)", message):
        return (
            f"data.vocab_size={size} must hold 4 control pieces, {symbols}256 bytes and every "
            f"character of the corpus. Use at least {needed.group(1)}."
        )
    if "sentences_.empty()" in message or "all_chars_count" in message:
        return "A vocabulary must be learned from text, and there is none. Check the train split."
    return f"A vocabulary with data.vocab_size={size} could not be learned: {message}"
