"""How the processes of a run find each other: told by flags, or by the cluster they run on."""

import signal
import socket
import time
from collections.abc import Callable

import jax

from experiment.errors import MachineFailed
from experiment.training.processes import Processes
from experiment.training.progress import PATIENCE_SECONDS, Progress, duration
from experiment.training.watch import on_abort, stop

# What JAX says where no cluster is found, and in a session that has used its devices already.
_ALONE = ("coordinator_address should be defined", "must be called before")
SECONDS_TO_START = 300.0  # between the first process and the last
CAUSES = (
    "Usual causes: the command was not started on every host; the address or its port is wrong, or "
    "a firewall closes it (where a cluster tells the address, JAX_COORDINATOR_PORT chooses another "
    "port); proxy variables are set"
)


def connect(
    coordinator: str | None,
    num_processes: int | None,
    process_id: int | None,
    progress: Progress,
    *,
    seconds: float = SECONDS_TO_START,
) -> Processes:
    """Returns the processes of this run, of which `process_id` is this one.

    `coordinator` is HOST:PORT, where process 0 listens. With none of the three, JAX looks for Cloud
    TPU, GKE, Slurm and Open MPI; where there is none of them, this process is alone. Comes before
    anything else asks JAX for its devices.

    Raises:
      ValueError: if process 0 cannot listen there.
      MachineFailed: if the processes do not find each other within `seconds`.
    """
    if num_processes == 1:
        return Processes()
    if coordinator is not None:
        if process_id:
            _reach(coordinator, progress.say, seconds)
        else:
            _check_free(coordinator)
    apart = f"The processes did not find each other within {duration(seconds)}. {CAUSES}."
    on_abort(lambda: stop(apart))  # which is how JAX gives up where it offers the service itself
    try:
        with progress.waiting("all processes to start"):
            jax.distributed.initialize(
                coordinator, num_processes, process_id, initialization_timeout=round(seconds)
            )
    except (ValueError, RuntimeError) as error:
        if coordinator is None and any(reason in str(error) for reason in _ALONE):
            return Processes()
        if isinstance(error, ValueError):
            raise
        raise MachineFailed(f"{apart} ({' '.join(str(error).split())[:200]})") from error
    finally:
        on_abort(None)
    return _processes(progress)


def _processes(progress: Progress) -> Processes:
    """Returns the processes that JAX has found."""
    if jax.process_count() == 1:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which JAX would keep for itself
        return Processes()
    # The only place where JAX keeps its client; multihost_utils offers no wait with an end.
    from jax._src import distributed

    state = distributed.global_state
    address = state.coordinator_address or ""
    return Processes(jax.process_index(), jax.process_count(), state.client, address, progress.say)


def _check_free(coordinator: str) -> None:
    """Raises ValueError if another program listens where process 0 has to."""
    port = int(coordinator.rpartition(":")[2])
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise ValueError(
            f"--coordinator={coordinator}: process 0 cannot listen on port {port} "
            f"({error.strerror}). Choose another, on all hosts."
        ) from None


def _reach(coordinator: str, say: Callable[[str], None], seconds: float) -> None:
    """Returns when something listens at the address of process 0; JAX itself waits in silence.

    Raises:
      MachineFailed: if nothing does within `seconds`.
    """
    host, _, port = coordinator.rpartition(":")
    started, remark = time.monotonic(), PATIENCE_SECONDS
    while True:
        try:
            with socket.create_connection((host.strip("[]"), int(port)), timeout=5):
                return
        except OSError as error:
            reason = str(error)
        waited = time.monotonic() - started
        if waited > seconds:
            raise MachineFailed(
                f"Process 0 did not answer at {coordinator} within {duration(seconds)} ({reason}). "
                f"{CAUSES}."
            )
        if waited > remark:
            remark *= 3
            say(
                f"waiting for process 0 at {coordinator}, {duration(waited)} so far ({reason}). "
                f"{CAUSES}."
            )
        time.sleep(0.5)
