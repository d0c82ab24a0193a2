"""The tour's dealings with the simulator's side door: one that is not there yet is asked again, one that refuses is not."""

import asyncio

import pytest

from cli.demo.tour import SCENES, tour

CLOUD = SCENES[0]


class Hurried:
    """A clock whose sleeps are told and over at once; the tour ends at the pause after the first scene."""

    def __init__(self, on_sleep=lambda _: None):
        self.slept = []
        self._on_sleep = on_sleep

    async def sleep(self, seconds):
        self.slept.append(seconds)
        if seconds == 180:
            raise asyncio.CancelledError
        await self._on_sleep(seconds)


class SideDoor:
    """Answers every line the same."""

    def __init__(self, answer):
        self.answer, self.left = answer, asyncio.Event()

    async def open(self, port):
        self.server = await asyncio.start_server(self._converse, "127.0.0.1", port)
        return self

    async def close(self):
        self.server.close()
        await asyncio.wait_for(self.left.wait(), 10)

    async def _converse(self, reader, writer):
        while await reader.readline():
            writer.write(self.answer + b"\n")
        writer.close()
        await writer.wait_closed()
        self.left.set()


async def play_first(port, clock):
    with pytest.raises(asyncio.CancelledError):
        await tour(port, clock)


async def test_simulator_that_comes_late_still_gets_its_scene(free_port, capsys):
    port, servers = free_port(), []

    async def comes(seconds):
        if seconds == 10 and not servers:
            servers.append(await SideDoor(b'{"ok": true}').open(port))

    clock = Hurried(comes)
    await play_first(port, clock)
    await servers[0].close()
    assert clock.slept == [90, 10, 180]
    assert "not played" not in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "slept", "said"), [
    (b'{"error": "there is no site"}', [90, 180], "not played: there is no site"),
    (None, [90, *[10] * 60, 180], "not played: "),
])  # fmt: skip
async def test_scene_that_cannot_be_played_is_said_and_the_tour_goes_on(free_port, capsys, answer, slept, said):
    port = free_port()
    server = await SideDoor(answer).open(port) if answer else None

    async def nothing(_):
        pass

    clock = Hurried(nothing)
    await play_first(port, clock)
    if server is not None:
        await server.close()
    assert clock.slept == slept
    told = capsys.readouterr().out
    assert told.count(said) == 1
    assert CLOUD.happens in told
