"""A secret that a file holds: a password or a token, and nothing else."""

from __future__ import annotations

from pathlib import Path

from energy.errors import ConfigError

__all__ = ["read_secret"]


def read_secret(path: Path, field: str, *, wanted: str = "the secret") -> str:
    """The text of `path` without the white space around it. Raises ConfigError naming `field` when there is none.

    `wanted`: what a person is told to write into it.
    """
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(
            "is not UTF-8 text", file=str(path), field=field, hint=f"write {wanted} into it as UTF-8, and nothing else"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"cannot be read: {error.strerror}",
            file=str(path),
            field=field,
            hint=f"check the path; it must be readable by who runs this, and hold {wanted}",
        ) from error
    if not secret:
        raise ConfigError(
            "is empty: at least one character is wanted",
            file=str(path),
            field=field,
            hint=f"write {wanted} into it, and nothing else; without one, take `{field.rpartition('.')[2]}` out",
        )
    return secret
