"""The collector's own numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from energy.errors import ConfigError

__all__ = ["Metrics"]


class Metrics:
    """Counters and gauges of one collector, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.readings = self._counter("readings_total", "Readings stored")
        self.batches = self._counter("batches_total", "Batches confirmed to a gateway")
        self.quarantined = self._counter("quarantined_total", "Messages, readings and values that were set aside")
        self.unsynchronised = self._counter(
            "unsynchronised_readings_total", "Readings whose gateway's clock was not synchronised"
        )
        self.edge_dropped = self._counter(
            "edge_dropped_batches_total", "Batches that gateways dropped because their outbox was full"
        )
        self.dropped = self._counter("dropped_batches_total", "Batches not taken in: the buffer was full")
        self.store_errors = self._counter("store_errors_total", "Writes that the store did not take")
        self.quarters = self._counter("quarters_total", "Quarter-hours computed")
        self.commands = self._counter("commands_total", "Commands issued by rules")
        self.notices = self._counter("notices_total", "Messages about alerts that a channel took")
        self.notices_failed = self._counter("notices_failed_total", "Messages that a channel did not take")
        self.buffered = self._gauge("buffered_readings", "Readings waiting for the store")
        self.dirty = self._gauge("dirty_quarters", "Quarter-hours waiting to be computed")
        self.alerts = self._gauge("alerts_active", "Alerts raised and not cleared")
        self.gateways = self._gauge("gateways_online", "Gateways that say they are online")
        self.live = self._gauge("live_seconds", "Time the last live picture took to compute and publish")
        self.confirm_lag = Histogram(
            "commonwatt_collector_confirm_lag_seconds",
            "From the arrival of the oldest batch of a write until the store has it",
            buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60),
            registry=self.registry,
        )

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"commonwatt_collector_{name}", text, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"commonwatt_collector_{name}", text, registry=self.registry)

    @contextmanager
    def served(self, host: str, port: int | None) -> Iterator[None]:
        """Serves the numbers on `host`:`port` while the block runs; does nothing without a port. Raises ConfigError."""
        if port is None:
            yield
            return
        try:
            server, thread = start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise ConfigError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                field="collector.metrics_port",
                hint="stop the other program, or set another port",
            ) from error
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
