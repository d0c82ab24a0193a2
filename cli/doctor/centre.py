"""The doctor at the centre: store, register, port, page and keys."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import inspect

from api.settings import BUILT_PAGE, ApiSettings
from cli.doctor.check import Check
from cli.doctor.machine import check_disk
from energy.errors import CommonwattError
from storage.history.open import open_history
from storage.history.settings import EmbeddedSettings, StoreSettings
from storage.register.database import glimpse
from storage.register.keys import keys
from storage.register.settings import RegisterSettings

__all__ = ["check_keys", "check_page", "check_port", "check_register", "check_store"]

_WAIT_S: Final = 3.0


def check_store(settings: StoreSettings) -> Check:
    """Whether the time-series store answers. Only reads."""
    if isinstance(settings, EmbeddedSettings) and not settings.path.exists():
        disk = check_disk(settings.path.parent)
        if disk.next:
            return Check("store", disk.result, disk.detail, disk.next)
        return Check.ok("store", f"{settings.path} will be made when the collector starts")
    where = str(settings.path) if isinstance(settings, EmbeddedSettings) else settings.url
    try:
        with closing(open_history(settings, read_only=True)) as history:
            history.check()
            devices = len(history.devices())
    except CommonwattError as error:
        return Check.fail("store", f"{where}: {error.message}", error.hint or "is the server running, the token right?")
    return Check.ok("store", f"{where} answers and knows {devices} devices")


def check_register(settings: RegisterSettings) -> Check:
    """Whether the register can be written, without writing to it; of a PostgreSQL whether it takes us."""
    if settings.url is not None:
        try:
            with glimpse(settings):
                pass
        except CommonwattError as error:
            return Check.fail("register", error.message, error.hint or "is the server running, the password right?")
        return Check.ok("register", f"{settings.url} answers")
    return _check_file(settings.path)


def _check_file(path: Path) -> Check:
    if not path.exists():
        disk = check_disk(path.parent)
        if disk.next:
            return Check("register", disk.result, disk.detail, disk.next)
        return Check.ok("register", f"{path} will be made at the first start")
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=_WAIT_S)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except sqlite3.Error as error:
        return Check.fail("register", f"{path}: {error}", f"`ls -l {path}*`: its owner must be the service's user")
    return Check.ok("register", f"{path} can be written")


async def check_port(settings: ApiSettings) -> Check:
    """Whether the API can listen, or does already."""
    name = f"port {settings.port}"
    try:
        server = await asyncio.start_server(lambda _reader, writer: writer.close(), settings.host, settings.port)
    except OSError as error:
        if await _our_api_answers(settings):
            return Check.ok(name, "our API answers there")
        return Check.fail(
            name,
            f"{settings.host}:{settings.port}: {error.strerror}",
            f"`ss -ltnp 'sport = :{settings.port}'` says who",
        )
    server.close()
    await server.wait_closed()
    return Check.ok(name, "is free")


async def _our_api_answers(settings: ApiSettings) -> bool:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104 - compared, not bound
    try:
        async with asyncio.timeout(_WAIT_S):
            reader, writer = await asyncio.open_connection(host, settings.port)
            writer.write(f"GET /health HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            answer = await reader.read(65_536)
            writer.close()
        return "status" in json.loads(answer.partition(b"\r\n\r\n")[2])
    except (OSError, TimeoutError, ValueError, TypeError):
        return False


def check_page(settings: ApiSettings) -> Check:
    """Whether the live page is built."""
    folder = settings.page_dir or BUILT_PAGE
    if (folder / "index.html").is_file():
        return Check.ok("page", f"is built in {folder}")
    return Check.warn("page", f"{folder} has none: the API works, the browser shows nothing", "`make page` builds it")


def check_keys(settings: ApiSettings, register: RegisterSettings) -> Check:
    """Whether anybody may come in. Only reads."""
    if settings.keys_file.exists():
        return Check.ok(
            "keys", f"{settings.keys_file} is there, the API takes it over into the register when it starts"
        )
    try:
        standing = 0 if register.url is None and not register.path.exists() else _standing_keys(register)
    except CommonwattError as error:
        return Check.warn("keys", error.message, "see the register above")
    if standing:
        return Check.ok("keys", f"{standing} stand")
    seen = "the register has none: nobody may come in yet"
    return Check.warn("keys", seen, "`commonwatt keys create NAME --role viewer --config FILE` makes one")


def _standing_keys(register: RegisterSettings) -> int:
    with glimpse(register) as connection:
        if not inspect(connection).has_table("api_key"):
            return 0
        return len(keys(connection))
