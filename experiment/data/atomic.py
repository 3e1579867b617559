"""Files and folders that appear whole or not at all, whatever kills the process writing them."""

import contextlib
import errno
import os
import pathlib
import platform
import shutil
import tempfile
from collections.abc import Iterator

# It can only be read by setting it, which is not for several threads.
_UMASK = os.umask(0)
os.umask(_UMASK)


def write_file(path: pathlib.Path, content: bytes) -> None:
    """Writes `content` to `path`: a reader finds the old file or the new one, never a part.

    What a process left that was killed meanwhile is removed by the next on the same machine.
    """
    if not path.parent.is_dir():  # it may have been moved away: then it is not made anew
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    prefix = f".{path.name}-{platform.node()}-"
    _remove_abandoned(path.parent, prefix)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{prefix}{os.getpid()}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, 0o666 & ~_UMASK)  # mkstemp's are private to their owner
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def sync(path: pathlib.Path) -> None:
    """Returns when a file, or the names in a folder, are where a power cut leaves them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise  # some file systems cannot, and keep what they are given
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def new_folder(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields an empty folder to fill, and renames it to `path` when the block ends well.

    A block that raises leaves nothing behind, and what a killed process left is removed by the next
    on the same machine. Of two processes that fill the same `path`, the first to finish keeps it
    and the other's copy is thrown away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}-{platform.node()}-"
    _remove_abandoned(path.parent, prefix)
    temporary = pathlib.Path(tempfile.mkdtemp(dir=path.parent, prefix=f"{prefix}{os.getpid()}-"))
    try:
        yield temporary
        # mkdtemp is private to its owner, and a cache is often shared by a group.
        temporary.chmod(0o777 & ~_UMASK)
        try:
            os.rename(temporary, path)
        except OSError:
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_abandoned(parent: pathlib.Path, prefix: str) -> None:
    for left in parent.iterdir():
        process = left.name.removeprefix(prefix).split("-")[0]
        if left.name.startswith(prefix) and process.isdigit() and not _is_running(int(process)):
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
