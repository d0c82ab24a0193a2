"""A serial line of pseudo-terminals with one controlling end and several devices: no hardware needed.

As on two wires of RS-485, everybody hears what anybody else says.
"""

import contextlib
import os
import selectors
import struct
import threading
import time
import tty
from pathlib import Path

from tests.gateway.conftest import crc16

_PUNCTUAL_S = 0.1


class SerialLine:
    """`end` is the device file of the gateway's side, `devices` those of the other side. `cut` unplugs everything."""

    def __init__(self, devices=1):
        self._masters, self._slaves = zip(*(self._open() for _ in range(devices + 1)), strict=True)
        self.end, *self.devices = (os.ttyname(slave) for slave in self._slaves)
        self.heard = bytearray()
        """Everything the gateway's side said."""
        self._wake_read, self._wake_write = os.pipe()
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    @property
    def speed(self):
        """A descriptor that tells to which speed the gateway's side was set."""
        return self._slaves[0]

    @staticmethod
    def _open():
        master, slave = os.openpty()
        tty.setraw(slave)
        tty.setraw(master)
        return master, slave

    def cut(self):
        """Unplugs: the device files are gone. A second time nothing happens."""
        if not self._thread.is_alive():
            return
        os.write(self._wake_write, b"x")
        self._thread.join()
        for descriptor in (*self._masters, *self._slaves, self._wake_read, self._wake_write):
            os.close(descriptor)

    def _forward(self):
        with selectors.DefaultSelector() as selector:
            for descriptor in (*self._masters, self._wake_read):
                selector.register(descriptor, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fd == self._wake_read:
                        return
                    self._pass_on(key.fd)

    def _pass_on(self, descriptor):
        data = os.read(descriptor, 4096)
        if descriptor == self._masters[0]:
            self.heard += data
        for other in self._masters:
            if other != descriptor:
                os.write(other, data)


class Talker:
    """A device whose answers a test writes: `answer(request)` gives (seconds to wait, bytes) to say, one by one.

    What a busy machine would say much later than asked for is not said: how late an answer is belongs to the test.
    """

    def __init__(self, device, answer):
        self._port = Path(device).open("r+b", buffering=0)  # noqa: SIM115 - closed in `close`
        self._answer = answer
        self._timers = []
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        for timer in self._timers:
            timer.cancel()
        self._port.close()

    def _serve(self):
        with contextlib.suppress(OSError, ValueError):  # the line was cut, the port closed
            while len(request := self._port.read(8)) == 8:
                for seconds, data in self._answer(request):
                    timer = threading.Timer(seconds, self._say, [data, time.monotonic() + seconds])
                    self._timers.append(timer)
                    timer.start()

    def _say(self, data, planned):
        if time.monotonic() < planned + _PUNCTUAL_S:
            with contextlib.suppress(OSError, ValueError):
                self._port.write(data)


def sealed(body):
    """A frame of Modbus RTU."""
    return body + struct.pack("<H", crc16(body))


def honest(request):
    """The answer of a device whose registers hold their own address."""
    unit, function, address, count = struct.unpack(">BBHH", request[:6])
    return sealed(struct.pack(f">BBB{count}H", unit, function, 2 * count, *range(address, address + count)))
