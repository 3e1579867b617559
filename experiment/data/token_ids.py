"""The token ids of a split: prepared once, kept on disk, mapped into memory."""

import dataclasses
import hashlib
import itertools
import json
import pathlib
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from experiment.data.atomic import new_folder
from experiment.data.corpora.corpus import Corpus
from experiment.data.progress import Progress
from experiment.data.vocabulary import Vocabulary

FORMAT_VERSION = 1  # raised with any change to the files below
_PAIRS_AT_A_TIME = 10_000
_META = "meta.json"  # written last; names every other file with its size in bytes


@dataclasses.dataclass(frozen=True, eq=False)
class FlatIds:
    """Sentences one after another: sentence i is `tokens[offsets[i] : offsets[i + 1]]`."""

    tokens: np.ndarray  # uint16 or int32 [tokens]
    offsets: np.ndarray  # int64 [sentences + 1]

    @classmethod
    def from_lists(cls, sentences: Iterable[Sequence[int]]) -> "FlatIds":
        """Joins sentences that are in memory."""
        sentences = list(sentences)
        offsets = np.cumsum([0, *(len(sentence) for sentence in sentences)])
        tokens = np.array([token for sentence in sentences for token in sentence], np.int32)
        return cls(tokens, offsets)

    def sentence(self, index: int) -> np.ndarray:
        """Returns the ids of one sentence, int32, its end included."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]].astype(np.int32)


class TokenIds:
    """The pairs of a split as token ids, each sentence ended by EOS_ID."""

    def __init__(self, source: FlatIds, target: FlatIds):
        self.source = source
        self.target = target
        sides = [np.diff(side.offsets) for side in (source, target)]
        self.lengths = np.stack(sides, axis=1).astype(np.int32)  # [pairs, 2], ends included

    @classmethod
    def from_lists(
        cls, sources: Iterable[Sequence[int]], targets: Iterable[Sequence[int]]
    ) -> "TokenIds":
        """Returns pairs that are in memory, as `Vocabulary.encode_all` gives them."""
        return cls(FlatIds.from_lists(sources), FlatIds.from_lists(targets))

    def __len__(self) -> int:
        return len(self.lengths)

    def pair(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the source and target ids of one pair, int32."""
        return self.source.sentence(index), self.target.sentence(index)


class BpeDropout(NamedTuple):
    """Every text is cut in `samples` ways, each merge left out with probability `rate`."""

    rate: float
    samples: int


def prepare_token_ids(
    corpus: Corpus,
    split: str,
    vocabulary: Vocabulary,
    cache_dir: pathlib.Path,
    report: Callable[[str], None],
    *,
    dropout: BpeDropout | None = None,
) -> TokenIds:
    """Returns the token ids of a split, from `cache_dir` where they are there already.

    With `dropout` the split is there `samples` times, one sampling of all pairs after another.
    Files that are not as they were written are prepared again, with a sentence saying so.

    Raises:
      ValueError: if the corpus has no such split.
    """
    folder = cache_dir / "tokens" / _key(corpus, split, vocabulary, dropout)
    if folder.exists():
        if damage := _damage(folder):
            report(f"{folder} is damaged ({damage}); preparing it again.")
            shutil.rmtree(folder)
        else:
            return _load(folder)
    pairs = corpus.pairs(split)
    with new_folder(folder) as temporary:
        times = dropout.samples if dropout else 1
        progress = Progress(report, f"preparing the token ids of {split}", times * len(pairs))
        chunks = itertools.chain.from_iterable(_chunks(pairs) for _ in range(times))
        _write(temporary, chunks, vocabulary, progress, dropout)
    return _load(folder)


def _key(corpus: Corpus, split: str, vocabulary: Vocabulary, dropout: BpeDropout | None) -> str:
    parts = [corpus.identity, split, vocabulary.digest, corpus.direction, FORMAT_VERSION]
    parts += [*dropout] if dropout else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _write(
    folder: pathlib.Path,
    chunks: Iterable[Sequence[tuple[str, str]]],
    vocabulary: Vocabulary,
    progress: Progress,
    dropout: BpeDropout | None,
) -> None:
    """Writes the pairs of all `chunks` to `folder`, with one of them at a time in memory."""
    dtype = "<u2" if vocabulary.size <= 2**16 else "<i4"
    lengths: dict[str, list[np.ndarray]] = {"source": [], "target": []}
    with (
        (folder / "source.tokens").open("wb") as source,
        (folder / "target.tokens").open("wb") as target,
    ):
        files = {"source": source, "target": target}
        for number, chunk in enumerate(chunks):
            for place, (side, texts) in enumerate(
                zip(files, zip(*chunk, strict=True), strict=True)
            ):
                ids = (
                    vocabulary.sample_all(texts, dropout_rate=dropout.rate, seed=2 * number + place)
                    if dropout
                    else vocabulary.encode_all(texts)
                )
                encoded = FlatIds.from_lists(ids)
                files[side].write(encoded.tokens.astype(dtype).tobytes())
                lengths[side].append(np.diff(encoded.offsets))
            progress.advance(len(chunk))
    for side, parts in lengths.items():
        offsets = np.concatenate([[0], np.cumsum(np.concatenate(parts))])
        (folder / f"{side}.offsets").write_bytes(offsets.astype("<i8").tobytes())
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
    (folder / _META).write_text(json.dumps({"dtype": dtype, "sizes": sizes}))


def _chunks(pairs: Sequence[tuple[str, str]]) -> Iterator[Sequence[tuple[str, str]]]:
    for begin in range(0, len(pairs), _PAIRS_AT_A_TIME):
        yield pairs[begin : begin + _PAIRS_AT_A_TIME]


def _damage(folder: pathlib.Path) -> str:
    """Returns what is wrong with a prepared folder, or nothing."""
    try:
        sizes = json.loads((folder / _META).read_text())["sizes"]
    except (OSError, ValueError, KeyError):
        return f"{_META} cannot be read"
    for name, size in sizes.items():
        path = folder / name
        found = path.stat().st_size if path.is_file() else 0
        if found != size:
            return f"{name} has {found:,} of {size:,} bytes"
    return ""


def _load(folder: pathlib.Path) -> TokenIds:
    dtype = json.loads((folder / _META).read_text())["dtype"]
    source, target = (
        FlatIds(
            tokens=np.memmap(folder / f"{side}.tokens", dtype, mode="r"),
            offsets=np.fromfile(folder / f"{side}.offsets", "<i8"),
        )
        for side in ("source", "target")
    )
    return TokenIds(source, target)
