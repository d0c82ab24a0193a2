"""The world's state on disk: written whole or not at all, because a real meter never loses its count."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import msgspec

from energy.errors import ConfigError

__all__ = ["StateFile"]

log = logging.getLogger(__name__)


class StateFile:
    """One JSON file. A write that fails is told once and tried again with the next one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._failing = False

    def load(self) -> dict[str, Any] | None:
        """The saved state; None when there is none. A damaged file is set aside and counts as none.

        Raises ConfigError when the file is there and cannot be read.
        """
        try:
            content = msgspec.json.decode(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(
                f"cannot be read: {error.strerror}", file=str(self.path), hint="check the path and its rights"
            ) from error
        except msgspec.DecodeError as error:
            aside = self.path.with_name(self.path.name + ".damaged")
            self.path.replace(aside)
            log.warning("%s is damaged (%s); set aside as %s, the world begins afresh", self.path, error, aside.name)
            return None
        return content if isinstance(content, dict) else None

    def save(self, state: dict[str, Any]) -> None:
        """Replaces the file. No fsync: it has to outlive this process, not a power cut."""
        temporary = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(msgspec.json.encode(state))
            os.replace(temporary, self.path)  # noqa: PTH105  named as the atomic call it is
        except OSError as error:
            if not self._failing:
                log.warning("the simulator's state cannot be saved: %s", error)
            self._failing = True
        else:
            self._failing = False
