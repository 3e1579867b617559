"""The training loop: a batch, a step, then what is due."""

import contextlib
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import jax

from experiment.config import TrainConfig
from experiment.data import Batch
from experiment.errors import MachineFailed
from experiment.training.clock import DATA, in_words
from experiment.training.member import Diverged, Member
from experiment.training.parallel import Placement
from experiment.training.processes import SECONDS_TO_PREPARE, Processes
from experiment.training.profile import Profile, Profiler
from experiment.training.progress import duration
from experiment.training.stacking import stacked, unstacked
from experiment.training.state import TrainState, num_params
from experiment.training.stopping import StopRequest

# Steps handed to the devices before the first of them must be done: enough to keep them busy, few
# enough that a request to stop is answered at once.
STEPS_AHEAD = 2


class _StoppedWhileEvaluating(Exception):
    """Evaluation is given up; it will be done when the run goes on."""


class Loop:
    """Takes the steps of one run, or of several as one, and does what goes on around them."""

    def __init__(
        self,
        *,
        step_fn: Callable[..., tuple[TrainState, dict[str, jax.Array]]],
        placement: Placement,
        config: TrainConfig,
        members: Sequence[Member],
        stop: StopRequest,
        processes: Processes | None = None,
        profile: Profile | None = None,
    ) -> None:
        """`step_fn` is compiled by `placement` for so many members; all of them are at one step."""
        self.config, self.members, self.progress = config, list(members), members[0].progress
        self._step_fn, self._placement, self.stop = step_fn, placement, stop
        self._processes = processes or Processes()
        self._rng = placement.place_rng(stacked([member.rng for member in members]))
        self._state = placement.place_state(stacked([member.run.state for member in members]))
        self._unfetched: list[dict[str, jax.Array]] = []
        self._compiled: set[tuple[int, ...]] = set()
        self._profiler = Profiler(
            profile,
            members[0].run.workdir.path / "profile",
            say=self.progress.say,
            wait=lambda: jax.block_until_ready(self._state),
        )
        for member in members:
            member.devices = placement.devices

    @property
    def step(self) -> int:
        """Updates applied so far."""
        return self.members[0].run.step

    def run_to_end(self, batches: Iterable[Batch]) -> None:
        """Takes one step a batch, stacked if members are several, to the configured last one.

        Raises:
          Preempted: when asked to stop; the state is saved.
          Diverged: if too many updates in a row had to be left out; the checkpoints are intact.
          MachineFailed: if a checkpoint cannot be written; those before are intact.
        """
        self.progress.say(self._headline())
        for member in self.members:
            member.run.clock.ready()
        with self._profiler:
            self._take_steps(batches)
        for member in self.members:
            member.run.clock.stop()
        self.progress.say(in_words(self.members[0].run.clock.seconds()))

    def _take_steps(self, batches: Iterable[Batch]) -> None:
        if self.step:
            self._evaluate_if_due()  # it may have been saved and stopped before its scoring
        for batch in self.progress.while_waiting("the next batch", self._timed(batches)):
            with self._profiler.step(self.step + 1):
                self._update(batch)
            self.stop.look()
            if self._is_due(self.config.log_every):
                self._log()
            if self._is_due(self.config.save_every) or self.stop.asked:
                self._save()
            self._evaluate_if_due()
        self._wait_for_checkpoints()
        if self.step < self.config.num_steps:
            raise MachineFailed(
                f"The batches ended after step {self.step:,} of {self.config.num_steps:,}. The "
                "same command goes on from the newest checkpoint."
            )

    def _timed(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """Yields `batches`; what the next one takes to come is counted as waiting for data."""
        iterator = iter(batches)
        while True:
            with self._phase(DATA):
                batch = next(iterator, None)
            if batch is None:
                return
            yield batch

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.config.num_steps

    def _evaluate_if_due(self) -> None:
        """Evaluates unless asked to stop; then, or when asked meanwhile, saves and leaves."""

        def progress(done: int, total: int) -> None:
            if self.stop.asked:
                raise _StoppedWhileEvaluating
            self.progress.update(f"step {self.step:,}: scored {done:,} of {total:,}")

        with contextlib.suppress(_StoppedWhileEvaluating):
            if self._is_due(self.config.evaluate_every) and not self.stop.asked:
                self._evaluate(progress)
        if self.stop.asked:
            self._save()
            self._wait_for_checkpoints()
            self.stop.leave_if_asked(f"stopped and saved after step {self.step:,}")

    def _wait_for_checkpoints(self) -> None:
        for member in self.members:
            waiting = self.progress.waiting(f"the checkpoint of step {self.step:,}")
            with self._phase("saving"), waiting:
                member.run.checkpoints.wait()
        # None leaves before: JAX's farewell has a limit, and aborts who is still at work.
        self._processes.wait(f"step {self.step:,} to be written", SECONDS_TO_PREPARE)

    def _update(self, batch: Batch) -> None:
        placed = self._placement.place_batch(batch)
        if batch.source.shape in self._compiled:
            self._state, metrics = self._step_fn(self._state, placed, self._rng)
        else:
            jax.block_until_ready(self._state)
            rows, length = batch.source.shape[-2:]
            self.progress.wait_for(f"compiling the step for batches of {rows} x {length} tokens")
            with self._phase("compiling"):
                self._state, metrics = self._step_fn(self._state, placed, self._rng)
            self._compiled.add(batch.source.shape)
        self._unfetched.append(metrics)
        for member in self.members:
            member.run.step += 1
        with self.progress.waiting(f"the devices to take step {self.step:,}"):
            jax.block_until_ready(self._unfetched[-1 - STEPS_AHEAD :][0])

    def _fetch_metrics(self) -> None:
        """Waits for the steps taken so far; every member keeps what it measured in them."""
        first = self.step - len(self._unfetched) + 1
        for step, metrics in enumerate(self._placement.fetch(self._unfetched), first):
            for member, own in zip(self.members, self._unstacked(metrics), strict=True):
                member.keep(step, own)
            self._check_some_update(step)
        self._unfetched.clear()

    def _check_some_update(self, step: int) -> None:
        most = self.config.max_skipped_in_a_row
        if diverged := [each for each in self.members if each.run.skipped_in_a_row > most]:
            names = [member.name for member in diverged]
            raise Diverged(
                names,
                f"{', '.join(names)}: The loss or its gradient is not finite, in more than "
                f"train.max_skipped_in_a_row={most} steps in a row up to {step}. The checkpoints "
                "before are intact. Lower train.learning_rate_scale or raise train.warmup_steps, "
                "in another --workdir.",
            )

    def _log(self) -> None:
        self._fetch_metrics()
        for member in self.members:
            member.run.checkpoints.check_written()
        lines = [member.log() for member in self.members]
        rate = sum(line["target_tokens_per_second"] for line in lines)
        means = "  ".join(
            f"{name} {statistics.fmean(found):.3f}"
            for name in ("loss", "nll")
            if (found := [line[name] for line in lines if name in line])
        )
        clock = self.members[0].run.clock.seconds()
        steady = clock["total"] - clock["compiling"] - clock["starting"]
        left = steady / self.step * (self.config.num_steps - self.step)
        mfu = sum(line.get("mfu", 0.0) for line in lines)
        self.progress.update(
            f"step {self.step:,}/{self.config.num_steps:,}  {means}  "
            f"{rate:,.0f} target tokens/s  {f'{mfu:.0%} MFU  ' if mfu else ''}"
            f"{duration(clock['total'])} gone, {duration(left)} left"
        )

    def _evaluate(self, progress: Callable[[int, int], None]) -> None:
        self._fetch_metrics()
        params = self._unstacked(self._placement.fetch(self._state.params))
        for member, own in zip(self.members, params, strict=True):
            if member.is_scored() or not self._processes.is_first:
                continue
            self.progress.update(f"step {self.step:,}: {self._called(member)}evaluating ...")
            with self._phase("evaluating"):
                scores = member.evaluate(own, progress=progress)
            seconds = duration(member.write_scores(scores))
            shown = "  ".join(
                f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value:,}"
                for name, value in scores.items()
                if isinstance(value, int | float)
            )
            self.progress.say(
                f"step {self.step:,}  {seconds}  {self._called(member)}validation: {shown}"
            )
        self._processes.wait(f"the scores of step {self.step:,}", SECONDS_TO_PREPARE)

    def _save(self) -> None:
        self._fetch_metrics()
        self.progress.update(f"step {self.step:,}: saving ...")
        with self._phase("saving"), self.progress.waiting("the last checkpoint to be written"):
            states = self._unstacked(self._placement.fetch(self._state))
            for member, state in zip(self.members, states, strict=True):
                member.save(state)
        self._processes.wait(f"step {self.step:,} to be saved", SECONDS_TO_PREPARE)

    def _unstacked(self, tree: Any) -> list[Any]:
        return unstacked(tree, len(self.members))

    @contextlib.contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Counts the seconds spent inside for every member: while one is served, all wait."""
        with contextlib.ExitStack() as clocks:
            for member in self.members:
                clocks.enter_context(member.run.clock.phase(name))
            yield

    def _called(self, member: Member) -> str:
        return f"{member.name}: " if len(self.members) > 1 else ""

    def _headline(self) -> str:
        first = self.members[0].run
        size = f"{num_params(first.state.params):,} parameters on {self._placement.description}"
        begin = f"goes on after step {self.step:,}" if self.step else "starts"
        end = f"{begin}, {self.config.num_steps:,} steps in all"
        if len(self.members) == 1:
            return f"{first.workdir.path}: {size}; {end}"
        names = ", ".join(member.name for member in self.members)
        return f"{first.workdir.path.parent}: {names} together, each {size}; {end}"
