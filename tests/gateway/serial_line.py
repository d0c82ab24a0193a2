"""A serial line of pseudo-terminals with one controlling end and several devices: no hardware needed.

As on two wires of RS-485, everybody hears what anybody else says.
"""

import os
import selectors
import threading
import tty


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

    @staticmethod
    def _open():
        master, slave = os.openpty()
        tty.setraw(slave)
        tty.setraw(master)
        return master, slave

    def say(self, data):
        """Puts bytes on the line as if a device had sent them."""
        os.write(self._masters[0], data)

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
