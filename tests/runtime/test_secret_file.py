"""A secret's file that holds none is refused: which file, which field, what is allowed, what next."""

import pytest

from energy.errors import ConfigError
from runtime.secret_file import read_secret


def test_secret_is_what_stands_between_the_white_space(tmp_path):
    path = tmp_path / "secret"
    path.write_text(" p\u00e4ss word\r\n", encoding="utf-8")
    assert read_secret(path, "mqtt.password_file") == "p\u00e4ss word"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty: at least one character is wanted"),
        (b" \r\n\t\n", "is empty: at least one character is wanted"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_file_without_a_secret_is_refused_with_file_field_and_next_step(tmp_path, content, told):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        read_secret(path, "mqtt.password_file", wanted="the broker's password")
    assert str(caught.value).startswith(f"{path}: mqtt.password_file: {told}\n  next: ")
    assert "the broker's password" in caught.value.hint
