"""What a check found: one line, with what to do about it."""

import json
import sys
from collections.abc import Sequence
from typing import NamedTuple, TextIO

OK, NOTE, PROBLEM = "ok", "note", "problem"


class Finding(NamedTuple):
    """Of one check. A note may stay as it is; with a problem a run would not start, or not last."""

    level: str
    check: str
    text: str

    def line(self) -> str:
        """Returns it as it is printed.

        Example:
          >>> Finding(NOTE, "open files", "at most 256.").line()
          'note     open files: at most 256.'
        """
        return f"{self.level:<8} {self.check}: {self.text}"


class Report:
    """The findings so far. Each is printed as soon as it is there: the next check may hang."""

    def __init__(self, *, as_json: bool, out: TextIO | None = None) -> None:
        self.findings: list[Finding] = []
        self._as_json, self._out = as_json, out or sys.stdout

    def add(self, *findings: Finding) -> None:
        """Keeps findings, and prints them unless all will be one JSON object."""
        for finding in findings:
            self.findings.append(finding)
            if not self._as_json:
                print(finding.line(), file=self._out, flush=True)

    def has_problem(self) -> bool:
        """Returns whether anything must be mended."""
        return any(finding.level == PROBLEM for finding in self.findings)

    def close(self) -> None:
        """Prints the JSON object, if that was asked for."""
        if self._as_json:
            content = {"ok": not self.has_problem(), "findings": as_dicts(self.findings)}
            print(json.dumps(content, indent=2), file=self._out, flush=True)


def as_dicts(findings: Sequence[Finding]) -> list[dict[str, str]]:
    """Returns findings as JSON can hold them; `Finding(**each)` is the way back."""
    return [finding._asdict() for finding in findings]
