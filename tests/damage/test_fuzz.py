"""Files damaged at random at every border: taken in as they are, or refused in words that name the file; never in part.

COMMONWATT_CASES=1000 tries so many of each border.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.damage.borders import BORDERS
from tests.damage.harness import Desk
from tests.damage.parquet import PARQUET

CASES = int(os.environ.get("COMMONWATT_CASES", "0"))
PIECES = st.sampled_from(
    [b"", b"\0", b"\n", b"\r", b"\r\n", b'"', b"'", b",", b";", b"\t", b"-", b"e", b"9" * 20, b"nan", b": ", b"{", b"}", b"[",
     b"]", b"- ", b"# ", b"&a ", b"*a", b"!!python/object:os.system ", b"null", b"\xff", b"\xc3\xa9", b"\xef\xbb\xbf", b"\xe2\x80\xa8",
     b"1/0", b"=1+1", b"2026-03-29T02:30:00", b"9999-12-31T23:45:00Z", b"0001-01-01T00:00:00+14:00", b"PAR1", b"PK\x03\x04"]
)  # fmt: skip
ENCODINGS = ("utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp037")


@st.composite
def damaged(draw, good):
    """The file with one to four damages: bytes changed, lost, doubled or put in, lines and columns exchanged, cut short."""
    content = good
    for _ in range(draw(st.integers(1, 4))):
        size = max(1, len(content))
        at, other = sorted((draw(st.integers(0, size)), draw(st.integers(0, size))))
        near = min(size, at + draw(st.integers(1, 12)))
        match draw(st.integers(0, 8)):
            case 0:
                content = content[:at] + draw(PIECES) + content[near:]
            case 1:
                content = content[:at] + draw(PIECES) + content[at:]
            case 2:
                content = content[:at] + bytes([draw(st.integers(0, 255))]) + content[at + 1 :]
            case 3:
                content = content[:at] + content[near:]
            case 4:
                content = content[:at] + content[at:near] * 2 + content[near:]
            case 5:
                content = content[: draw(st.sampled_from([at, other]))]
            case 6:
                lines = content.splitlines(keepends=True)
                content = b"".join(draw(st.permutations(lines))) if len(lines) < 12 else content[:at] + content[other:]
            case 7:
                first, second = draw(
                    st.sampled_from([(b",", b";"), (b".", b","), (b"2026", b"1926"), (b"Z", b""), (b"1", b"0")])
                )
                content = content.replace(first, second)
            case 8:
                content = content.decode("latin-1").encode(draw(st.sampled_from(ENCODINGS)), errors="replace")
    return content


@pytest.fixture(scope="module", params=[*BORDERS, *PARQUET], ids=lambda border: border.name)
def desk(request, tmp_path_factory):
    """A border with its good files."""
    return Desk(request.param, tmp_path_factory.mktemp("desk"))


@pytest.mark.timeout(0 if CASES else 120)
def test_any_damage_is_taken_in_or_refused_by_name_and_never_in_part(desk):
    @settings(
        max_examples=CASES or 6,
        deadline=None,
        derandomize=not CASES,
        database=None,
        phases=(Phase.generate, Phase.shrink) if CASES else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged(desk.border.good))
    def try_one(content):
        outcome = desk.try_bytes(content)
        if outcome.told is not None:
            outcome.refused(desk.path.name)
        elif desk.border.outs:
            assert set(outcome.wrote) == set(desk.border.outs)

    try_one()
