"""All scores of a model on sentence pairs: how well it expects them, how well it does its task."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax

from experiment.data import Batch, TokenIds, Vocabulary, evaluation_batches
from experiment.evaluation.perplexity import of_texts, perplexity
from experiment.evaluation.task import Task
from experiment.evaluation.translation import Translator


class Evaluator:
    """Scores parameters on pairs of sentences; compiled programs are shared between calls."""

    def __init__(
        self,
        translator: Translator,
        evaluation_step: Callable[[Any, Batch], Any],
        vocabulary: Vocabulary,
        bucket_lengths: Sequence[int],
        sentences_per_batch: int,
        task: Task,
    ) -> None:
        """`evaluation_step(params, batch)` returns sums with `nll` and `tokens`."""
        self.translator = translator
        self._evaluation_step = jax.jit(evaluation_step)
        self._vocabulary = vocabulary
        self._bucket_lengths = bucket_lengths
        self._sentences_per_batch = sentences_per_batch
        self._task = task

    def scores(
        self, params: Any, pairs: Sequence[tuple[str, str]], **options: Any
    ) -> dict[str, Any]:
        """Returns the scores of `score` alone."""
        return self.score(params, pairs, **options)[0]

    def score(
        self,
        params: Any,
        pairs: Sequence[tuple[str, str]],
        *,
        translated: int | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> tuple[dict[str, Any], list[str]]:
        """Returns the scores of all pairs, and the translations of the first `translated`.

        Perplexity is over all pairs; what the task has, such as BLEU, over the translated ones (all
        of them when None or 0). A language model translates none.
        """
        params = jax.device_put(params)
        sources = [source for source, _ in pairs]
        targets = [target for _, target in pairs]
        token_ids = TokenIds.from_lists(
            self._vocabulary.encode_all(sources), self._vocabulary.encode_all(targets)
        )
        batches = evaluation_batches(
            token_ids,
            bucket_lengths=self._bucket_lengths,
            sentences_per_batch=self._sentences_per_batch,
        )
        if self._task.continues:
            batches = _told(batches, len(pairs), progress)
            likelihood = perplexity(self._evaluation_step, params, batches)
            nll = likelihood["nll"] * int(token_ids.lengths[:, 1].sum())
            return {**likelihood, **of_texts(nll, targets)}, []
        likelihood = perplexity(self._evaluation_step, params, batches)
        count = translated or len(pairs)
        translations = self.translator.best(params, sources[:count], progress=progress)
        scores = self._task.scores(sources[:count], translations, targets[:count])
        return {**scores, **likelihood}, translations


def _told(
    batches: Iterable[Batch], total: int, progress: Callable[[int, int], None]
) -> Iterator[Batch]:
    """Yields `batches`, and tells before each how many sentences are done, of how many."""
    done = 0
    for batch in batches:
        progress(done, total)
        yield batch
        done += int((batch.target_segments.max(axis=1) > 0).sum())
