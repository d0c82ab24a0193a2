import pytest

from energy.sharing.ean import check_digit, parse_ean

VALID = ["541448911000000003", "541448910000123453", "541448820000000015", "541449020000123458"]


@pytest.mark.parametrize("ean", VALID)
def test_parse_ean_with_right_check_digit_returns_it(ean):
    assert parse_ean(ean) == ean


@pytest.mark.parametrize("ean", VALID)
def test_parse_ean_with_any_other_last_digit_names_the_right_one(ean):
    for digit in set("0123456789") - {ean[-1]}:
        with pytest.raises(ValueError, match=f"its other digits give {ean[-1]}"):
            parse_ean(ean[:-1] + digit)


@pytest.mark.parametrize(
    "text", ["", "5414", "54144891100000000A", "5.41448911E+17", "٥٤١٤٤٨٩١١٠٠٠٠٠٠٠٠٣", "5414489110000000033"]
)
def test_parse_ean_of_anything_but_18_digits_is_refused(text):
    with pytest.raises(ValueError, match="18 digits"):
        parse_ean(text)


def test_check_digit_finds_every_single_wrong_digit():
    ean = VALID[1]
    for place in range(17):
        for digit in set("0123456789") - {ean[place]}:
            assert check_digit(ean[:place] + digit + ean[place + 1 : 17]) != int(ean[17])
