"""Which source code is running."""

import pathlib
import subprocess


def commit() -> str:
    """Returns the commit of the source code, marked if it was changed since, or "unknown"."""
    folder = pathlib.Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()
