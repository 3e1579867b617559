"""How a run ends: the test split is scored once, and the results are written down."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from experiment.config import ExperimentConfig
from experiment.training.member import Member
from experiment.training.state import num_params
from experiment.training.stopping import StopRequest
from experiment.training.workdir import write_json, write_lines

SAMPLES = 4


@runtime_checkable
class Evaluator(Protocol):
    """What scores parameters on sentence pairs, while a run goes on and at its end."""

    def score(
        self,
        params: Any,
        pairs: Sequence[tuple[str, str]],
        *,
        translated: int | None = None,
        progress: Callable[[int, int], None],
    ) -> tuple[dict[str, Any], list[str]]:
        """Returns the scores, and the translations of the first `translated` pairs (of all).

        There are no translations where nothing is translated.
        """


def finish(
    member: Member,
    evaluator: Evaluator,
    pairs: Sequence[tuple[str, str]],
    config: ExperimentConfig,
    stop: StopRequest,
) -> dict[str, Any]:
    """Returns the results of a run that has taken its last step, and leaves them in its workdir.

    Raises:
      Preempted: when asked to stop; the scoring is made up for when the run goes on.
      NoGoodCheckpoint: if all its checkpoints were damaged meanwhile.
    """

    def show(done: int, total: int) -> None:
        stop.leave_if_asked("stopped while scoring; the training is saved")
        member.progress.update(f"scored {done:,} of {total:,}")

    run, split = member.run, config.evaluation.test_split
    with member.progress.waiting("the checkpoints to be read"):
        params, steps, _ = run.checkpoints.mean(
            config.evaluation.average_checkpoints,
            run.state.params,
            save_every=config.train.save_every,
        )
        digest = run.checkpoints.digest(steps[-1])
    show(0, len(pairs))
    member.progress.say(
        f"{member.name}: scoring {split} ({len(pairs):,} pairs) with "
        + (f"the mean of {len(steps)} checkpoints" if len(steps) > 1 else f"step {steps[0]:,}")
    )
    train_seconds = run.clock.seconds()
    scores, translations = evaluator.score(params, pairs, progress=show)
    results = {
        **scores,
        "split": split,
        "sentences": len(pairs),
        "step": run.step,
        "averaged_steps": steps,
        "train_seconds": train_seconds["total"],
        "seconds": train_seconds,
        "trained_together": member.together,
        "target_tokens": run.target_tokens,
        **member.overall_rates(),
        "skipped_updates": run.skipped_updates,
        "num_params": num_params(params),
        "checkpoint": digest,
        "commit": run.record["commit"],
    }
    # The results come last: where they are, the run is finished.
    if translations:  # a language model has none
        write_lines(run.workdir.translations, translations)
    write_json(run.workdir.results, results)
    for (source, reference), translation in list(
        zip(pairs, translations, strict=bool(translations))
    )[:SAMPLES]:
        member.progress.say(f"\n  {source}\n  -> {translation}")
        if translation != reference:
            member.progress.say(f"     (reference: {reference})")
    member.progress.say("")
    return results
