"""Opening a file of text, compressed or not, in a way that nothing but a whole one is read."""

import contextlib
import gzip
import io
import lzma
import pathlib
import stat
import zlib
from collections.abc import Iterator

# A name may end in one of these; the first bytes of the file must say the same.
PACKINGS = {".gz": ("gzip", b"\x1f\x8b"), ".xz": ("xz", b"\xfd7zXZ\0")}
_CHUNK = 2**16
_NOT_FILES = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe"}


@contextlib.contextmanager
def open_text(path: pathlib.Path) -> Iterator[io.BufferedIOBase]:
    """Opens the bytes of a text file, unpacked where its name ends in `.gz` or `.xz`.

    Raises:
      ValueError: in one line that names the file, here or in the block that reads it: if it is no
        file, may not be read, is not packed as its name says, or is cut off or damaged.
    """
    check_is_file(path)
    packing, magic = PACKINGS.get(path.suffix, ("", b""))
    try:
        with path.open("rb") as file:
            _check_packing(path, file.peek(len(magic)), magic)
            yield _unpacked(file, packing)
    except EOFError:
        raise ValueError(
            f"{path} must be a whole {packing} file, but it ends too early. Copy it again."
        ) from None
    except (gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        raise ValueError(
            f"{path} must be a whole {packing} file and nothing else, but it is damaged or goes on "
            f"behind its end ({error}). Copy it again."
        ) from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error


def check_is_file(path: pathlib.Path) -> None:
    """Refuses what cannot be read twice from its beginning; a pipe would wait for ever.

    Raises:
      ValueError: in one line that names the path.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ValueError(f"{path} must be a text file, but it does not exist.") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(mode):
        what = _NOT_FILES.get(stat.S_IFMT(mode), "a device or a socket")
        raise ValueError(f"{path} must be a text file, but it is {what}.")


def _check_packing(path: pathlib.Path, head: bytes, magic: bytes) -> None:
    if magic and not head.startswith(magic):
        raise ValueError(
            f"{path} must be a {PACKINGS[path.suffix][0]} file, as its name says, but it does not "
            "begin like one. Rename it."
        )
    for suffix, (packing, its_magic) in PACKINGS.items():
        if not magic and head.startswith(its_magic):
            raise ValueError(
                f"{path} must be text, but it is a {packing} file. "
                f"Rename it to {path.name}{suffix}."
            )


def _unpacked(file: io.BufferedReader, packing: str) -> io.BufferedIOBase:
    if packing == "gzip":
        return gzip.GzipFile(fileobj=file)
    return io.BufferedReader(_Xz(file)) if packing == "xz" else file


class _Xz(io.RawIOBase):
    """What an xz file holds.

    `lzma.open` ignores whatever stands behind the end of a stream; this refuses it.
    """

    def __init__(self, file: io.BufferedReader):
        self._file = file
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        packed = b""
        while True:
            if self._stream.eof:
                if not (packed := self._next_stream()):
                    return 0
                self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ)
            elif self._stream.needs_input and not (packed := self._file.read(_CHUNK)):
                raise EOFError
            if text := self._stream.decompress(packed, len(buffer)):
                buffer[: len(text)] = text
                return len(text)
            packed = b""

    def _next_stream(self) -> bytes:
        """Returns the first bytes after a stream that are no padding, or none at the end."""
        following = self._stream.unused_data.lstrip(b"\0")
        while not following and (more := self._file.read(_CHUNK)):
            following = more.lstrip(b"\0")
        _, magic = PACKINGS[".xz"]
        if following and not (following := following + self._file.read(6)).startswith(magic):
            raise lzma.LZMAError("what follows does not begin like xz")
        return following
