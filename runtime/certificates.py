"""Reads of an X.509 certificate what people must know: whose it is and until when (RFC 5280, DER)."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from energy.errors import ConfigError

__all__ = ["Certificate", "parse_certificate", "read_certificate"]

_INTEGER, _UTC_TIME, _VERSION = 0x02, 0x17, 0xA0
_COMMON_NAME = bytes([0x55, 0x04, 0x03])


@dataclass(frozen=True, slots=True)
class Certificate:
    """`common_name` is empty where the subject has none."""

    common_name: str
    not_before: datetime
    not_after: datetime


def read_certificate(path: Path) -> Certificate:
    """The first certificate of a PEM file. Raises ConfigError."""
    hint = "is it a PEM file, complete, and readable by this user?"
    try:
        text = path.read_text(encoding="ascii")
        start = text.index("-----BEGIN CERTIFICATE-----")
        end = text.index("-----END CERTIFICATE-----", start) + len("-----END CERTIFICATE-----")
        return parse_certificate(ssl.PEM_cert_to_DER_cert(text[start:end]))
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=str(path), hint=hint) from error
    except (ValueError, IndexError, StopIteration) as error:
        raise ConfigError("holds no certificate", file=str(path), hint=hint) from error


def parse_certificate(der: bytes) -> Certificate:
    """A certificate in DER. Raises ValueError, IndexError or StopIteration when it is none."""
    outer = next(_elements(der))[1]
    parts = [part for part in _elements(next(_elements(outer))[1]) if part[0] not in {_VERSION, _INTEGER}]
    _algorithm, _issuer, validity, subject = parts[:4]
    not_before, not_after = (_instant(tag, value) for tag, value in _elements(validity[1]))
    return Certificate(_common_name(subject[1]), not_before, not_after)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each element of a constructed one."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        yield tag, data[at : at + length]
        at += length


def _instant(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:  # two digits of a year: 50 to 99 are of the last century
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _common_name(subject: bytes) -> str:
    for _, names in _elements(subject):
        for _, name in _elements(names):
            (_, oid), (_, value) = _elements(name)
            if oid == _COMMON_NAME:
                return value.decode("utf-8", errors="replace")
    return ""
