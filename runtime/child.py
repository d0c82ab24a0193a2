"""Work for which the event loop has no time, in a process of its own that ends with it: JSON in, JSON out.

A child that lives for one question has nothing to leak, dies with us (its input ends), and its memory is free again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from energy.errors import DataError

__all__ = ["answer_parent", "ask_child"]

_Question = TypeVar("_Question")

_NICE: Final = 10  # what runs all the time comes first
_TOLD: Final = 2_000  # characters of what a child that failed said last


async def ask_child(module: str, question: bytes, timeout_s: float) -> bytes:
    """What `python -m module` answers to `question`. Raises DataError when it fails or takes longer than `timeout_s`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(timeout_s):
            answer, said = await process.communicate(question)
    except TimeoutError:
        raise DataError(f"{module} took longer than {timeout_s:g} s", hint="it is tried again") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        last = said.decode(errors="replace").strip()[-_TOLD:].splitlines()[-1:] or ["it said nothing"]
        raise DataError(f"{module} failed: {last[0]}")
    return answer


def answer_parent(question: type[_Question], answer: Callable[[_Question], Any]) -> None:
    """All that a child does, after those that run all the time: decodes the input as `question`, writes its `answer`."""
    os.nice(_NICE)
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=question)
    sys.stdout.buffer.write(msgspec.json.encode(answer(asked)))
