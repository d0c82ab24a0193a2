"""Child processes: started again when they die, stopped in order, gone with their parent."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from cli.processes import Child, keep_running

SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]


async def _until(condition, timeout_s=10.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


async def test_child_that_is_killed_is_started_again():
    child = Child("sleeper", SLEEPER)
    task = asyncio.create_task(keep_running(child))
    await _until(lambda: child.pid is not None)
    first = child.pid
    os.kill(first, signal.SIGKILL)
    await _until(lambda: child.pid not in {None, first})
    assert child.restarts == 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert child.pid is None


async def test_job_that_ends_well_is_not_started_again():
    child = Child("job", [sys.executable, "-c", "pass"], once=True)
    await asyncio.wait_for(keep_running(child), 10)
    assert child.restarts == 0


def test_child_is_stopped_when_its_parent_is_killed():
    script = textwrap.dedent(
        f"""
        import asyncio
        from cli.processes import Child, keep_running
        child = Child("sleeper", {SLEEPER!r})
        asyncio.run(keep_running(child, on_change=lambda: print(child.pid, flush=True)))
        """
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while _alive(pid):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.02)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
