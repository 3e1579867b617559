"""Whether processes can find each other: their coordinator, and what may stand in the way."""

import errno
import socket
from collections.abc import Mapping

from experiment.command import parse_address
from launch.findings import NOTE, OK, PROBLEM, Finding

_SLURM = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")


def check_own_port(coordinator: str) -> Finding:
    """Of process 0: whether it can listen where the others will look for it.

    Raises:
      ValueError: if `coordinator` is not HOST:PORT.
    """
    host, port = parse_address(coordinator)
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
    except OSError as error:
        reason = (
            "another process listens there, perhaps an earlier run. End it (`ss -ltnp` names it)"
            if error.errno == errno.EADDRINUSE
            else f"{error.strerror}. Choose one above 1023"
        )
        text = f"port {port} cannot be listened on: {reason}, or choose another port."
        return Finding(PROBLEM, "port", text)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family) as probe:
            probe.bind(address)
    except OSError:
        text = f"{host} is no address of this host, which is process 0; do the others reach it?"
        return Finding(NOTE, "port", text)
    return Finding(OK, "port", f"this host can listen on port {port}.")


def cause(error: OSError) -> str:
    """Returns what to look at when a coordinator does not answer, by how the attempt failed."""
    if isinstance(error, socket.gaierror):
        return "its name is not known here. Is it spelt as the network knows it? Try its address."
    if isinstance(error, ConnectionRefusedError):
        return (
            "its host is there, and nobody listens. Was this started on all hosts, process 0 among "
            "them, and is the port the same for all?"
        )
    if isinstance(error, TimeoutError):
        return (
            "nothing comes back. A firewall between the hosts, which must open this port, or a "
            "wrong address. On Cloud TPU try JAX_COORDINATOR_PORT=8476 on all."
        )
    return f"{error.strerror or error}. Is the address right, and on a network of this host?"


def detected_by(environment: Mapping[str, str]) -> str | None:
    """Returns by what JAX (jax/_src/clusters, in its order) finds the other processes.

    None where nothing in the environment tells: of one process, and on Cloud TPU VMs, where the
    metadata server does.
    """
    if "OMPI_MCA_orte_hnp_uri" in environment:
        return "Open MPI"
    if all(name in environment for name in _SLURM):
        return "Slurm"
    if "TPU_WORKER_HOSTNAMES" in environment or "TPU_PROCESS_ADDRESSES" in environment:
        return "GKE's TPU variables"
    return None
