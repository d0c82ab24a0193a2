"""One finding of the doctor: what was looked at, how it is, and the next step."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Check", "Result", "check_text", "checks_json", "summary"]


class Result(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


_COLOURS = {Result.OK: "32", Result.WARN: "33", Result.FAIL: "31"}


@dataclass(frozen=True, slots=True)
class Check:
    """`check`: what was looked at, `detail`: what was seen, `next`: what to do, empty when all is well."""

    check: str
    result: Result
    detail: str
    next: str = ""

    @classmethod
    def ok(cls, check: str, detail: str) -> Check:
        """All is well."""
        return cls(check, Result.OK, detail)

    @classmethod
    def warn(cls, check: str, detail: str, next_step: str) -> Check:
        """It works, but somebody should look at it."""
        return cls(check, Result.WARN, detail, next_step)

    @classmethod
    def fail(cls, check: str, detail: str, next_step: str) -> Check:
        """It does not work."""
        return cls(check, Result.FAIL, detail, next_step)


def check_text(check: Check) -> str:
    """One line, and a second with the next step. The word tells the result; colour only repeats it."""
    word = check.result.value.ljust(4)
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        word = f"\x1b[{_COLOURS[check.result]}m{word}\x1b[0m"
    line = f"{word}  {check.check}: {check.detail}"
    return f"{line}\n      next: {check.next}" if check.next else line


def checks_json(checks: Sequence[Check]) -> str:
    """All checks in their order."""
    facts = [dataclasses.asdict(check) for check in checks]
    return json.dumps({"ok": not _count(checks, Result.FAIL), "checks": facts}, ensure_ascii=False)


def summary(checks: Sequence[Check]) -> str:
    """How many of each."""
    failed, warned = _count(checks, Result.FAIL), _count(checks, Result.WARN)
    if not failed and not warned:
        return f"{len(checks)} checks, all well"
    return f"{len(checks)} checks: {failed} failed, {warned} to look at"


def _count(checks: Sequence[Check], result: Result) -> int:
    return sum(check.result is result for check in checks)
