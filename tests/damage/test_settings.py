"""YAML files damaged at every border: keys, people, centre, terms, factors, formats, cases."""

from __future__ import annotations

import pytest

from tests.damage.borders import SETTINGS
from tests.damage.harness import Desk


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda border: border.name)
def desk(request, tmp_path_factory):
    """A border with its good files."""
    return Desk(request.param, tmp_path_factory.mktemp("desk"))


def test_good_file_is_taken_in(desk):
    assert desk.try_it().told is None


def damages(good):
    """(name, content) of damages of any YAML file."""
    text = good.decode()
    yield "latin-1", good + "# é\n".encode("latin-1")
    yield "utf-16", text.encode("utf-16-le")
    yield "zeros", bytes(4096)
    yield "control", text.replace(":", ":\x07", 1).encode()
    yield "list", b"- 1\n- 2\n"
    yield "text", b"only words\n"
    yield "two documents", good + b"---\n" + good
    yield "tab", text.replace("\n  ", "\n\t", 1).encode()
    yield "unclosed", good + b'more: "\n'
    yield "unknown field", good + b"unheard_of: 1\n"
    first = text.split("\n", 1)[0]
    yield "key twice", good + first.encode() + (b" 1\n" if first.endswith(":") else b"\n")
    yield "tag", good + b"more: !!python/object/apply:os.system [ls]\n"
    yield "deep", good + b"more: " + b"[" * 5000 + b"]" * 5000 + b"\n"
    yield "deep mappings", good + b"more: " + b"{a: " * 5000 + b"1" + b"}" * 5000 + b"\n"
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'lol'}]\n" for n in range(12))
    yield "aliases", good + bomb.encode()
    yield "itself", good + b"more: &a [*a]\n"
    yield "merge", good + b"more: {<<: 1}\n"
    yield "date", good + b"more: 2026-13-01\n"
    yield "number", good + b"more: " + b"9" * 5000 + b"\n"


def test_damaged_file_is_refused_and_nothing_is_written(desk):
    failed = []
    for name, content in damages(desk.border.good):
        try:
            desk.try_bytes(content).refused(desk.path.name)
        except BaseException as error:  # all of them are told at once
            failed.append(f"{name}: {type(error).__name__} {error}"[:400])
    assert not failed, "\n".join(failed)
