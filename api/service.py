"""The API as a service: HTTP server, broker connection and live feed in one group of named tasks."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import secrets
import socket
from collections.abc import Iterator, Sequence

import msgspec
import uvicorn

from api.app import create_app
from api.buildings.settings import BuildingsSettings
from api.keys import KeyStore
from api.live.feed import LiveFeed
from api.settings import ApiSettings
from energy.community import Community
from energy.errors import ConfigError, StoreError
from messaging.connection import MqttSettings
from messaging.link import open_client
from messaging.notices import NotificationSettings
from runtime.clock import Clock
from storage.history import History
from storage.register import Register
from storage.register.key_file import take_over

__all__ = ["ApiService"]

log = logging.getLogger(__name__)

_STOP_S = 5  # for requests under way; streams are ended at once


class ApiService:
    """`run` serves until cancelled; `ready` is set and `port` known once it listens. The stores stay the caller's."""

    def __init__(
        self,
        settings: ApiSettings,
        communities: Sequence[Community],
        mqtt: MqttSettings,
        history: History,
        register: Register,
        clock: Clock,
        notifications: NotificationSettings | None = None,
        buildings: BuildingsSettings | None = None,
    ) -> None:
        self.settings = settings
        self.ready = asyncio.Event()
        self.port = settings.port
        self.live = LiveFeed(communities, clock)
        take_over(register.database, settings.keys_file, clock.now_ms())
        self.keys = KeyStore(register.database, communities, clock)
        self.app = create_app(
            settings, communities, history, register, clock, self.live, self.keys, notifications, buildings
        )
        self._communities = communities
        self._register = register
        self._clock = clock
        self._connection = open_client(
            mqtt,
            f"api-{secrets.token_hex(6)}",
            subscriptions=self.live.subscriptions,
            on_messages=self.live.on_messages,
        )
        self.live.broker = self._connection

    async def run(self) -> None:
        """Serves until cancelled. Raises ConfigError when the address cannot be listened on."""
        listener = _listen(self.settings.host, self.settings.port)
        self.port = listener.getsockname()[1]
        await self._restore_leases()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._connection.run(), name="api.broker")
            group.create_task(self.live.watch(), name="api.watch")
            group.create_task(self.keys.watch(), name="api.keys")
            group.create_task(self._serve(listener), name="api.http")

    async def _restore_leases(self) -> None:
        """Leases asked for before this start: their commands are not on the wire any more."""
        sites = {site.id: (community.id, site.gateway) for community in self._communities for site in community.sites}
        try:
            active = await asyncio.to_thread(
                self._register.commands, 1_000, active_only=True, now_ms=self._clock.now_ms()
            )
        except StoreError as error:
            log.warning("leases in force are not known: %s", error)
            return
        for command in active:
            place = sites.get(command.device.partition("/")[0])
            if place is not None:
                self.live.restore_lease(*place, {**msgspec.to_builtins(command), "id": command.lease})

    async def _serve(self, listener: socket.socket) -> None:
        server = _Server(
            uvicorn.Config(
                self.app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                proxy_headers=False,  # a forwarded client must not pass for one at this machine
                timeout_graceful_shutdown=_STOP_S,
            ),
            self.ready,
        )
        log.info("serving http://%s:%d", self.settings.host, self.port)
        serving = asyncio.create_task(server.serve(sockets=[listener]), name="api.http.server")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            server.should_exit = True
            self.live.close()
            await serving
            raise


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: whoever runs the service stops it."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        foreign = error.errno in {errno.EADDRNOTAVAIL, socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_NODATA}
        raise ConfigError(
            f"cannot listen on {host}:{port}: {error.strerror}",
            field="api.host" if foreign else "api.port",
            hint="give an address of this machine" if foreign else "stop the other program, or set another port",
        ) from error
