"""The runs of one command: opened, trained in turn or together, scored."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import jax

from experiment.data import TrainingData
from experiment.training.finish import Evaluator, finish
from experiment.training.loop import Loop
from experiment.training.member import Member
from experiment.training.origin import Origin
from experiment.training.parallel import Placement
from experiment.training.processes import Processes
from experiment.training.profile import Profile
from experiment.training.progress import Progress
from experiment.training.seeds import PlannedRun
from experiment.training.state import TrainState
from experiment.training.stopping import StopRequest
from experiment.training.together import batches_after, grouped, open_members, train_in_turn


@dataclasses.dataclass
class Trainer:
    """Takes runs of one config, of one seed or several, to their end."""

    runs: Sequence[PlannedRun]
    data: Mapping[str, TrainingData]  # of each run, by name
    step_fn: Callable[..., Any]  # see `train_step`; what it computes, not where
    init: Callable[[jax.Array], TrainState]
    evaluator: Evaluator
    placement: Placement
    processes: Processes
    progress: Progress
    origin: Origin | None = None
    profile: Profile | None = None
    # Entered while runs are opened: a ValueError there is of what the user has, not of the program.
    input_errors: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext

    def __post_init__(self) -> None:
        self._config = self.runs[0].config  # that of all, except for the seed
        compiled = functools.partial(self.placement.compile_train_step, self.step_fn)
        self._compiled = functools.cache(compiled)

    def train(self) -> dict[str, Any]:
        """Returns the results of the runs that were not finished, by name.

        Raises:
          Failure: of any kind that ends a run; what was saved before is whole.
        """
        say, by_name = self.progress.say, {run.name: run for run in self.runs}

        def names() -> list[list[str]]:
            groups = grouped(self.runs, self.data, self.placement, say)
            return [[run.name for run in group] for group in groups]

        groups = [
            [by_name[name] for name in group]
            for group in self.processes.from_first("the workdir to be looked at", names)
        ]
        with StopRequest(say) as stop:
            return train_in_turn(groups, functools.partial(self._train, stop=stop), say)

    def _train(self, group: Sequence[PlannedRun], *, stop: StopRequest) -> dict[str, Any]:
        with contextlib.ExitStack() as closing:
            stop.leave_if_asked("stopped between runs; those that were begun are saved")
            with self.input_errors():
                members = open_members(
                    group,
                    self.data,
                    self.init,
                    self._evaluate,
                    self.progress,
                    self.origin,
                    self.processes,
                )
            for member in members:
                closing.callback(member.close)
            loop = Loop(
                step_fn=self._compiled(len(group)),
                placement=self.placement,
                config=self._config.train,
                members=members,
                stop=stop,
                processes=self.processes,
                profile=self.profile,
            )
            loop.run_to_end(batches_after(loop.step, group, self.data, self.placement))
            return self.processes.from_first(
                "the test split to be scored", lambda: self._finish(members, stop)
            )

    def _evaluate(self, params: Any, *, progress: Callable[[int, int], None]) -> dict[str, Any]:
        count = self._config.evaluation.validation_sentences
        pairs = self._validation
        scores, _ = self.evaluator.score(params, pairs, translated=count, progress=progress)
        return scores

    def _finish(self, members: Sequence[Member], stop: StopRequest) -> dict[str, Any]:
        pairs = self._pairs(self._config.evaluation.test_split)
        return {
            member.name: finish(member, self.evaluator, pairs, self._config, stop)
            for member in members
        }

    @functools.cached_property
    def _validation(self) -> Sequence[tuple[str, str]]:
        return self._pairs("validation")

    def _pairs(self, split: str) -> Sequence[tuple[str, str]]:
        return self.data[self.runs[0].name].corpus.pairs(split)[:]
