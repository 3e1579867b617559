"""What can be known of a host without its devices and without the others."""

import importlib.metadata
import os
import pathlib
import platform
import resource
import shutil
import tempfile
from collections.abc import Mapping

from launch.findings import NOTE, OK, PROBLEM, Finding

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy")
PLUGINS = ("libtpu", "jax-cuda12-plugin")  # present where there are such devices
GIB = 2**30
# A checkpoint takes 12 bytes a parameter (float32, and Adam's two moments), and several are kept.
LITTLE_SPACE, NO_SPACE = 10 * GIB, GIB
FEW_FILES = 1024  # ArrayRecord files, sockets and checkpoints together
_NO_PROXY = ("no_proxy", "no_grpc_proxy")


def versions() -> dict[str, str]:
    """Returns the version of Python and of each package that is installed."""
    found = {"Python": platform.python_version()}
    for package in (*PACKAGES, *PLUGINS):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def check_versions(found: Mapping[str, str]) -> Finding:
    """A package that is missing is a problem."""
    missing = [package for package in PACKAGES if package not in found]
    if missing:
        text = f"{', '.join(missing)} not installed. Run `make install`, and this with its Python."
        return Finding(PROBLEM, "versions", text)
    return Finding(OK, "versions", ", ".join(f"{name} {number}" for name, number in found.items()))


def system() -> str:
    """Returns the operating system and the kind of processor."""
    return f"{platform.system()} {platform.release()}, {platform.machine()}"


def check_proxies(environment: Mapping[str, str], *, several: bool) -> Finding:
    """Names the variables, not their values: these may hold passwords."""
    names = [name for name in environment if name.lower().endswith("_proxy")]
    names = sorted(name for name in names if environment[name] and name.lower() not in _NO_PROXY)
    if not names:
        return Finding(OK, "proxies", "no variable names one.")
    text = f"{', '.join(names)} set"
    if not several:
        return Finding(OK, "proxies", f"{text}; of no concern to one process.")
    return Finding(
        NOTE,
        "proxies",
        f"{text}. Processes may look for their coordinator there, and hang: unset them for the "
        "run, or add the coordinator's host to no_proxy.",
    )


def check_open_files() -> Finding:
    """How many files a process may have open at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return Finding(OK, "open files", "no limit.")
    if soft >= FEW_FILES:
        return Finding(OK, "open files", f"at most {soft:,}.")
    most = "" if hard == resource.RLIM_INFINITY else f" (up to {hard:,})"
    text = f"at most {soft:,}. Raise it before the run with `ulimit -n {FEW_FILES}`{most}."
    return Finding(NOTE, "open files", text)


def check_folder(name: str, folder: pathlib.Path) -> Finding:
    """Writes a file where `--name=folder` is or will be, and takes it away again."""
    folder = folder.expanduser().absolute()
    there = existing(folder)
    text = f"--{name}={folder}"
    if not there.is_dir():
        reason = f"{text} must be a folder; {there} is a file. Name another."
        return Finding(PROBLEM, name, reason)
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".doctor-") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(there).free
    except OSError as error:
        reason = f"{text}: {there} cannot be written to ({error.strerror}). Name another."
        return Finding(PROBLEM, name, reason)
    space = f"{text} can be written to; {free / GIB:,.1f} GiB free"
    if free < NO_SPACE:
        return Finding(PROBLEM, name, f"{space}: too little for checkpoints. Make room.")
    if free < LITTLE_SPACE:
        return Finding(
            NOTE,
            name,
            f"{space}. A checkpoint takes 12 bytes a parameter, and train.keep_checkpoints stay.",
        )
    return Finding(OK, name, f"{space}.")


def existing(folder: pathlib.Path) -> pathlib.Path:
    """Returns the folder, or the nearest one above it that exists."""
    for path in (folder, *folder.parents):
        try:
            if path.exists():
                return path
        except OSError:  # one above it is not for us
            continue
    return pathlib.Path(folder.anchor)
