"""The document of a whole run: what was measured, how to repeat it, the tables, and what their ratios say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from benchmarks import api, centre, edge, influxdb, peers
from benchmarks.demo import DemoTable
from benchmarks.edge_peers import SIZES
from benchmarks.measure import Table
from benchmarks.results import AnyTable, Found

__all__ = ["document", "peers_page"]

_TEXT = """\
# Benchmarks

Written by `.venv/bin/python -m benchmarks --out docs/benchmarks.md`; the figures in the text are those of the tables. With the
names of parts before `--out` only those are measured anew; what the others found last is kept in `benchmarks/results/`.

**What.** Every path runs as in production: the real commands as processes of their own, real Modbus TCP, a real
mosquitto, real files and servers, all on the loopback of one machine. Beside it, in the same run, stands its *raw
bound*: the same bytes moved with nothing around them. Paths take turns, so that a noisy minute hits them alike.

**How to read.** A *reading* is one device at one instant with all its values. CPU is that of the measured process with
all its threads, by the kernel's account. Figures are medians of several runs with their range. Trust the ratios before
the absolute figures: on another machine both columns move together.

**How to repeat.** `make bench` prints the tables (about five minutes; needs mosquitto, and InfluxDB 1.x as `influxd` or
2.x as `influxd2` for that part). Parts: `python -m benchmarks edge life edge-peers centre influxdb
api demo`; `edge-peers` says which programs it lacks, and how they are installed. These are no tests and no
thresholds: machines differ.

{tables}
## What the ratios say

- **Edge.** A gateway costs {gateway:.1f} times what bare sockets cost for the same requests, and {gateway_pymodbus:.1f} times
  pymodbus alone, which is {pymodbus:.1f} times the bound. The rest is decoding and checking, one commit to disk a second, MQTT
  and confirmations: the price of losing nothing. {edge_devices} devices at 1 Hz take {gateway_core:.1%} of a core. A serial field bus ends
  far sooner: a 9,600 baud line carries some six reads of 60 registers a second.
- **Edge and its peers.** With {small} devices a reading costs {lean:.1f} times sixty lines of bare asyncio and gmqtt, which check
  and keep nothing, and {large_lean:.1f} times with {large}. thingsboard-gateway takes {thingsboard:.1f} times our CPU in its usual way and
  {thingsboard_block:.1f} times with block reads at {small} devices, Telegraf {telegraf:.1f} times. Node-RED stands not beside them here:
  its Modbus nodes could not be installed.
- **Centre.** A collector costs {collector:.1f} times a program that receives, decodes, sums, stores and confirms the same
  messages and checks nothing; our store alone is {store:.1f} of that. The rest is the MQTT session, checking every value,
  marking quarter-hours and the live picture. Quarter-hours themselves are computed when they are over, at 1 Hz for
  {quarters_us:.1f} µs a reading more. With one reading a message it is {single_us:.0f} µs and {single:.1f} times: there
  the packets cost, to the bare program as well. {collector_rate:,.0f} readings a second are {collector_tens:,.0f} devices read every ten
  seconds, by calculation.
{influx}- **API.** A live answer costs {live:.1f} times the bare server with the same bytes; the difference is the request as an
  object, our access check, headers and count, not the answer, whose bytes are made once per change. An event of the stream costs {stream_us:.0f} µs,
  {stream:.1f} times the bound, which writes all events of a second to a client in one piece. A day of one device is at
  {device:.1f} times its SQL statement, so the statement is what it costs; a site's consumption, at {consumption:.1f}, reads three
  devices.
- **Demo.** {demo_start:.1f} s from the command to twelve live sites. Everything together then takes {demo_core:.1%} of a core.

## What limits

- Edge: one process, one core; the system calls of the sockets, then the tasks that wait for them.
- Centre: one process, one core. With {window:,} readings unconfirmed the collector used {collector_core:.0%} of a core: it also waits for
  the disk's sync. More communities go to more collectors side by side (`communities` of the configuration).
- InfluxDB: the server's share stands in the notes; it is the smaller one until several collectors write to one server.
- API: one process, one core. The page follows the stream, so a person costs events, one a second and site, not requests.

## What is not measured

- Raspberry Pi and SD cards; networks with delay or loss; TLS; the serial line (RTU).
- Days: growth of the store, compaction in InfluxDB, a broker with persistence.
- A backlog after an outage, restarts, kill -9: `tests/` show that nothing is lost, not how fast it is.
- Several collectors on one broker or server; many readers of long histories while the collector writes.
- Other programs at the centre: only bare bounds stand beside ours there.
"""
_INFLUX = """\
- **InfluxDB.** Collector and server together cost {ratios} posting finished lines, which receives nothing by MQTT. The server
  works about as much in both; what is added is the collector, whose cost hardly depends on the store behind it. Our store
  alone, with rows that are there already, writes at {shares} of the rate of finished lines, a request after the other.
"""


_PEERS: Final = """\
# The gateway beside its peers

Written by `.venv/bin/python -m benchmarks edge-peers --peers-page docs/benchmarks-peers.md`; the figures in the text are
those of the tables. It says which programs it lacks and how they are installed. Everything else: [benchmarks.md](benchmarks.md).

**What.** The same simulated Modbus TCP devices of 12 values in one block, each on a connection of its own, read once a
second by each program in turn and published through the same mosquitto to a listener that knows every reading by its
number. CPU is the program's, with all its processes, by the kernel's account, and is charged to readings that arrived.
Ours is the real `commonwatt gateway`: every second committed with a sync to disk, sent, confirmed and forgotten.

{tables}
## What the ratios say

- With {small} devices a reading costs us {lean:.1f} times what it costs sixty lines of bare asyncio and gmqtt, which check and
  keep nothing; with {large} devices {large_lean:.1f} times. The aim was 1.5 times.
- thingsboard-gateway takes {thingsboard:.1f} times our CPU in its usual way, one request a value, and {thingsboard_block:.1f} times with block reads (the
  aim: three times); Telegraf {telegraf:.1f} times, all at {small} devices.
- Half of what is left of our own cost is the event loop's: sockets, and two wake-ups of a task for each reading. The bare
  poller has no tasks. Decoding and checking take a tenth, the commit and its compression a twentieth, by sampling.
- Node-RED's Modbus nodes could not be installed where this was written. 0.046 and 0.13 of a core and 172 and 289 MB at 100
  and 400 devices were measured on another such machine.
"""


def peers_page(found: Found) -> str:
    """The page about the peers alone."""
    small, large, *_ = found.tables
    assert isinstance(small, Table)
    assert isinstance(large, Table)
    ours = small.ratio(peers.GATEWAY)
    return _PEERS.format(
        tables=_section(found),
        small=SIZES[0],
        large=SIZES[1],
        lean=ours,
        large_lean=large.ratio(peers.GATEWAY),
        thingsboard=small.ratio(peers.THINGSBOARD) / ours,
        thingsboard_block=small.ratio(peers.THINGSBOARD_BLOCK) / ours,
        telegraf=small.ratio(peers.TELEGRAF) / ours,
    )


def document(parts: Mapping[str, Found]) -> str:
    """The whole document. `parts` by name, every part but influxdb and month filled."""
    tables = {name: found.tables for name, found in parts.items()}
    (edges,), (centres, singles) = tables["edge"], tables["centre"]
    live, stream, history = tables["api"]
    (demo,) = tables["demo"]
    small, large, *_ = tables["edge-peers"]
    assert isinstance(edges, Table)
    assert isinstance(centres, Table)
    assert isinstance(singles, Table)
    assert isinstance(live, Table)
    assert isinstance(stream, Table)
    assert isinstance(history, Table)
    assert isinstance(demo, DemoTable)
    assert isinstance(small, Table)
    assert isinstance(large, Table)
    gateway, collector, ours = edges.row(edge.GATEWAY), centres.row(centre.COLLECTOR), small.ratio(peers.GATEWAY)
    return _TEXT.format(
        tables="".join(_section(found) for found in parts.values()),
        small=SIZES[0],
        large=SIZES[1],
        lean=ours,
        large_lean=large.ratio(peers.GATEWAY),
        thingsboard=small.ratio(peers.THINGSBOARD) / ours,
        thingsboard_block=small.ratio(peers.THINGSBOARD_BLOCK) / ours,
        telegraf=small.ratio(peers.TELEGRAF) / ours,
        gateway=edges.ratio(edge.GATEWAY),
        pymodbus=edges.ratio(edge.PYMODBUS),
        gateway_pymodbus=edges.ratio(edge.GATEWAY) / edges.ratio(edge.PYMODBUS),
        edge_devices=edge.DEVICES,
        gateway_core=gateway.facts["core"],
        collector=centres.ratio(centre.COLLECTOR),
        store=centres.ratio(centre.STORE),
        quarters_us=centres.row(centre.QUARTERS).cpu_us,
        single=singles.ratio(centre.COLLECTOR),
        single_us=singles.row(centre.COLLECTOR).cpu_us,
        collector_rate=round(collector.per_s, -2),
        collector_tens=round(collector.per_s * 10, -3),
        collector_core=collector.facts["core"],
        window=centre.WINDOW,
        influx=_influx(tables["influxdb"]),
        live=live.ratio(api.LIVE),
        stream=stream.ratio(api.STREAM),
        stream_us=stream.row(api.STREAM).cpu_us,
        device=history.ratio(api.DEVICE),
        consumption=history.ratio(api.CONSUMPTION),
        demo_start=demo.start_s,
        demo_core=demo.core,
    )


def _section(found: Found) -> str:
    return "".join(f"{table.markdown()}\n" for table in found.tables) + f"{found.when}\n\n"


def _influx(tables: Sequence[AnyTable]) -> str:
    ours = [table for table in tables if isinstance(table, Table)]
    found = [f"{table.ratio(influxdb.COLLECTOR):.1f} times" for table in ours if influxdb.COLLECTOR in table.names]
    shares = [
        f"{table.row(influxdb.WRITER).per_s / table.row(influxdb.BARE).per_s:.0%}"
        for table in ours
        if influxdb.WRITER in table.names
    ]
    return _INFLUX.format(ratios=" and ".join(found), shares=" and ".join(shares)) if found else ""
