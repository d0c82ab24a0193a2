"""Pages served to a real browser by the API as it is, and what a person sees of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from api.app import create_app
from api.live.feed import LiveFeed
from api.settings import ApiSettings
from runtime.clock import Clock
from storage.history import History
from storage.register import Register
from tests.api.conftest import COMMUNITIES, Keys
from tests.system.browser import Page

__all__ = ["picture", "serving", "shows"]

PICTURES = os.environ.get("COMMONWATT_PICTURES")


@contextmanager
def serving(settings: ApiSettings, history: History, register: Register, clock: Clock, keys: Keys) -> Iterator[str]:
    """The address under which it answers."""
    app = create_app(settings, COMMUNITIES, history, register, clock, LiveFeed(COMMUNITIES, clock), keys)
    server = uvicorn.Server(uvicorn.Config(app, port=settings.port, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{settings.port}"
    server.should_exit = True
    thread.join(10)


def shows(page: Page, text: str) -> None:
    page.wait_for(f"document.body.innerText.replaceAll('\\u00a0', ' ').includes({text!r})")


def picture(page: Page, name: str) -> None:
    if PICTURES:
        page.picture(Path(PICTURES) / f"{name}.png")
