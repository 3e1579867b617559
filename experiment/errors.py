"""What ends a command before its end, each kind with the exit code by which a script tells it.

Bad input is a ValueError wherever it is found; these are what is not the input's fault.
"""

from typing import ClassVar


class Failure(Exception):
    """Reported in one line, without a traceback."""

    exit_code: ClassVar[int]


class InUse(Failure):
    """Another process is writing where this one would have to."""

    exit_code = 3


class NoGoodCheckpoint(Failure):
    """There are checkpoints, and none of them is as it was written."""

    exit_code = 4


class MachineFailed(Failure):
    """The disk is full, a folder went away, another process of the run is gone."""

    exit_code = 5


class NotFinite(Failure):
    """What was computed cannot be trained on."""

    exit_code = 6
