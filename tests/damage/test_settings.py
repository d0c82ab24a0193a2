"""YAML files damaged at every border: keys, people, centre, terms, factors, formats, cases."""

from __future__ import annotations

import pytest
import yaml

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


def leaves(content, path=()):
    """Paths of all values in it."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for name, value in pairs:
        yield (*path, name)
        yield from leaves(value, (*path, name))


def put(content, path, value):
    """A copy of it with another value there."""
    copy = yaml.safe_load(yaml.safe_dump(content))
    place = copy
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return yaml.safe_dump(copy, allow_unicode=True).encode()


@pytest.mark.parametrize(
    "value", [None, [], {}, -1, 1e308, float("nan"), "", "\x85nonsense", [[1]], {"a": {"b": 1}}, True]
)
def test_any_other_value_in_any_place_is_refused_in_words_or_taken_in(desk, value):
    """Which of both the models decide; here it is: never a traceback, never half."""
    if desk.border.name == "case":
        pytest.skip("a run of it takes a second; its values are tried by the fuzz")
    content = yaml.safe_load(desk.border.good)
    refused = 0
    for path in leaves(content):
        outcome = desk.try_bytes(put(content, path, value))
        if outcome.told is not None:
            refused += 1
            assert outcome.hint, (path, outcome.told)
            assert not outcome.wrote, (path, outcome.told)
            assert desk.path.name in outcome.told, (path, outcome.told)
    assert refused
