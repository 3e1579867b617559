"""Which checkpoints stay."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

AT_LEAST = 2  # should one turn out to be damaged, there is another


@dataclasses.dataclass(frozen=True)
class Retention:
    """The rule of a run. A step stays if any of the fields keeps it."""

    newest: int  # so many, of those at multiples of `save_every`
    save_every: int = 1
    keep_every: int = 0  # those at multiples of it; 0: none
    best: int = 0  # so many of the lowest validation loss

    def kept(self, steps: Sequence[int], losses: Mapping[int, float]) -> set[int]:
        """Returns which of `steps` stay; `losses` are those of validation, of scored steps.

        The last step stays wherever it lies, and goes later if it is no multiple: it was saved
        because the run was asked to stop. So a resumed run leaves the same checkpoints as one that
        never stopped.

        Example:
          >>> sorted(Retention(newest=2, save_every=4).kept([4, 8, 12, 14], {}))
          [12, 14]
          >>> sorted(Retention(2, 4, keep_every=100, best=1).kept([4, 8, 12, 16], {4: 2.5, 8: 3.0}))
          [4, 12, 16]
        """
        regular = regular_steps(steps, self.save_every)
        kept = set(regular[-max(self.newest, AT_LEAST) :])
        if len(kept) < AT_LEAST:
            kept |= {*steps[-AT_LEAST:]}
        if self.keep_every:
            kept |= {step for step in regular if step % self.keep_every == 0}
        scored = [step for step in regular if math.isfinite(losses.get(step, math.nan))]
        return kept | {*sorted(scored, key=lambda step: (losses[step], step))[: self.best]}


def regular_steps(steps: Sequence[int], save_every: int) -> list[int]:
    """Returns the steps that a run which was never stopped would have saved: those due, the last.

    Example:
      >>> regular_steps([4, 6, 8, 11], 4)
      [4, 8, 11]
    """
    return [step for step in steps if step % save_every == 0 or step == steps[-1]]
