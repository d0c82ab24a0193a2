"""Pages served to a real browser by the API as it is, and what a person sees of them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from api.app import create_app
from api.live.feed import LiveFeed
from api.settings import ApiSettings
from energy.community import Community
from messaging.connection import Message
from runtime.clock import Clock
from storage.history import History
from storage.register import Register
from tests.api.conftest import COMMUNITIES, Keys
from tests.system.browser import Page

__all__ = ["enter_live", "picture", "serving", "shows"]

PICTURES = os.environ.get("COMMONWATT_PICTURES")


@contextmanager
def serving(
    settings: ApiSettings,
    history: History,
    register: Register,
    clock: Clock,
    keys: Keys,
    communities: Sequence[Community] = COMMUNITIES,
    told: Callable[[], list[Message]] | None = None,
) -> Iterator[str]:
    """The address under which it answers. `told`: what the broker brings, asked for every second."""
    live = LiveFeed(communities, clock)
    app = create_app(settings, communities, history, register, clock, live, keys)
    server = uvicorn.Server(uvicorn.Config(app, port=settings.port, log_config=None, lifespan="off", ws="none"))

    async def run() -> None:
        teller = asyncio.create_task(_tell(live, told)) if told else None
        await server.serve()
        if teller is not None:
            teller.cancel()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{settings.port}"
    finally:
        server.should_exit = server.force_exit = True  # its streams would be waited for
        thread.join(30)
        assert not thread.is_alive(), "who still answers reads a store that is about to be closed"


async def _tell(live: LiveFeed, told: Callable[[], list[Message]]) -> None:
    while True:
        live.on_messages(told())
        await asyncio.sleep(1)


def enter_live(page: Page, url: str, key: str = "", place: str = "", language: str = "en") -> None:
    """Opens the live page at `place` of its address, with that key and language."""
    page.open(f"{url}/me")
    page.wait_for("location.pathname === '/me' && document.readyState === 'complete'")
    page.evaluate(
        f"localStorage.setItem('commonwatt.language', {language!r}); sessionStorage.setItem('commonwatt.key', {key!r})"
    )
    page.open(f"{url}/{place}")
    page.wait_for(f"document.documentElement.lang === {language!r} && document.querySelector('h1') !== null")


def shows(page: Page, text: str) -> None:
    page.wait_for(f"document.body.innerText.replaceAll('\\u00a0', ' ').includes({text!r})")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.picture(Path(PICTURES) / f"{name}.png")
