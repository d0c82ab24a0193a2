"""Coalescing of spans into requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import DataError
from gateway.plan import Request, Span, coalesce

spans = st.builds(
    lambda function, start, length: Span(function, start, start + length),
    st.sampled_from(["holding", "input"]),
    st.integers(0, 400),
    st.integers(1, 20),
)


@given(st.lists(spans, max_size=30), st.integers(20, 125), st.integers(0, 40))
def test_coalesce_covers_every_span_whole_within_max_read(wanted, max_read, max_gap):
    requests = coalesce(wanted, max_read=max_read, max_gap=max_gap)
    assert all(any(request.covers(span) for request in requests) for span in wanted)
    assert all(1 <= request.count <= max_read for request in requests)
    assert len(requests) <= len(set(wanted))


@given(st.lists(spans, min_size=1, max_size=30), st.integers(20, 125), st.integers(0, 10))
def test_coalesce_reads_nothing_but_asked_registers_and_gaps_of_max_gap(wanted, max_read, max_gap):
    for request in coalesce(wanted, max_read=max_read, max_gap=max_gap):
        asked = {
            address
            for span in wanted
            if span.function == request.function
            for address in range(span.start_including, span.end_excluding)
        }
        gap = 0
        for address in range(request.address, request.address + request.count):
            gap = 0 if address in asked else gap + 1
            assert gap <= max_gap


def test_coalesce_adjacent_spans_share_a_request():
    wanted = [Span("input", 0, 2), Span("input", 2, 4), Span("input", 6, 8)]
    assert coalesce(wanted, max_read=125, max_gap=0) == (Request("input", 0, 4), Request("input", 6, 2))
    assert coalesce(wanted, max_read=125, max_gap=2) == (Request("input", 0, 8),)


def test_coalesce_value_longer_than_max_read_is_an_error():
    with pytest.raises(DataError, match="max_read"):
        coalesce([Span("holding", 0, 12)], max_read=11, max_gap=0)
