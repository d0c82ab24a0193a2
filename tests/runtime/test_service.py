"""A service's life, seen from outside the process."""

import subprocess
import sys

_STOPPED_WHILE_IT_BEGINS = """
import asyncio, os, signal
from runtime.service import run_until_stopped

async def main():
    os.kill(os.getpid(), signal.SIGTERM)
    try:
        await asyncio.Event().wait()
    finally:
        print("said its last word")

run_until_stopped(main)
"""


def test_signal_while_a_service_begins_stops_it_cleanly():
    done = subprocess.run(
        [sys.executable, "-c", _STOPPED_WHILE_IT_BEGINS], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "said its last word\n"), done.stderr
