"""Ids of renewals: there and back, whatever the first id looks like."""

from hypothesis import given
from hypothesis import strategies as st

from energy.renewals import first_of, numbered, renewal_of


def test_renewals_are_numbered_after_the_first():
    assert [renewal_of("c1"), renewal_of("c1~1"), renewal_of("c1~9")] == ["c1~1", "c1~2", "c1~10"]
    assert [first_of("c1"), first_of("c1~12"), first_of("c1~0"), first_of("c1~x"), first_of("~3")] == [
        ("c1", 0), ("c1", 12), ("c1~0", 0), ("c1~x", 0), ("~3", 0),
    ]  # fmt: skip


@given(st.text(min_size=1), st.integers(0, 999_999_999))
def test_number_and_first_are_found_again(first, number):
    begin, before = first_of(first)
    assert numbered(begin, before) == first
    if not before:
        assert first_of(numbered(first, number)) == (first, number)
