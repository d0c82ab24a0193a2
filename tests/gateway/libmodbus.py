"""A Modbus server that is libmodbus's own code (Debian package libmodbus5), as a process: `python libmodbus.py WHERE ...`.

`rtu DEVICE BAUD PARITY UNIT` serves one unit on a serial line, `tcp PORT` every unit. It prints `ready` when it listens.
Register n holds n + 1000 * unit, input register n holds n + 500, coil and discrete input n are n % 3 == 0. Reading
registers from address 9000 on is answered with exception 6, busy.
"""

import ctypes
import sys

REGISTERS = 10_000
BUSY = 6
_BUSY_FROM = 9_000


class _Mapping(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int) for name in ("nb_bits", "start_bits", "nb_input_bits", "start_input_bits")),
        *((name, ctypes.c_int) for name in ("nb_input_registers", "start_input_registers")),
        *((name, ctypes.c_int) for name in ("nb_registers", "start_registers")),
        ("tab_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("tab_input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("tab_registers", ctypes.POINTER(ctypes.c_uint16)),
    ]


def _library():
    library = ctypes.CDLL("libmodbus.so.5", use_errno=True)
    for name in ("modbus_new_rtu", "modbus_new_tcp"):
        getattr(library, name).restype = ctypes.c_void_p
    library.modbus_mapping_new.restype = ctypes.POINTER(_Mapping)
    library.modbus_strerror.restype = ctypes.c_char_p
    return library


def _filled(library, unit):
    mapping = library.modbus_mapping_new(REGISTERS, REGISTERS, REGISTERS, REGISTERS)
    for n in range(REGISTERS):
        mapping.contents.tab_registers[n] = (n + 1000 * unit) & 0xFFFF
        mapping.contents.tab_input_registers[n] = n + 500
        mapping.contents.tab_bits[n] = mapping.contents.tab_input_bits[n] = n % 3 == 0
    return mapping


def _serve(library, context, mapping, header):
    query = (ctypes.c_uint8 * 260)()
    while (length := library.modbus_receive(context, query)) >= 0:
        if length == 0:  # for another unit
            continue
        function, address = query[header], query[header + 1] << 8 | query[header + 2]
        if function in {3, 4} and address >= _BUSY_FROM:
            library.modbus_reply_exception(context, query, BUSY)
        else:
            library.modbus_reply(context, query, length, mapping)


def _rtu(library, device, baud, parity, unit):
    context = ctypes.c_void_p(library.modbus_new_rtu(device.encode(), int(baud), ctypes.c_char(parity.encode()), 8, 1))
    library.modbus_set_slave(context, int(unit))
    if library.modbus_connect(context) != 0:
        sys.exit(library.modbus_strerror(ctypes.get_errno()).decode())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    _serve(library, context, _filled(library, int(unit)), header=1)


def _tcp(library, port):
    context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", int(port)))
    listening = library.modbus_tcp_listen(context, 1)
    if listening < 0:
        sys.exit(library.modbus_strerror(ctypes.get_errno()).decode())
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    mapping, socket = _filled(library, 1), ctypes.c_int(listening)
    while library.modbus_tcp_accept(context, ctypes.byref(socket)) >= 0:
        _serve(library, context, mapping, header=7)
        library.modbus_close(context)


if __name__ == "__main__":
    where, *arguments = sys.argv[1:]
    {"rtu": _rtu, "tcp": _tcp}[where](_library(), *arguments)
