"""One error root; the branches say what the caller can do.

    CommonwattError
    ├── ConfigError    a person must change a file             (never retry)
    ├── DataError      a message, file or request is malformed (quarantine it, go on)
    ├── DeviceError    a field device did not answer properly  (retry with backoff)
    ├── StoreError     a store or broker is not available      (keep the data, retry)
    └── RefusedError   a limit or rule forbids it              (tell who asked)

Every error carries what an operator needs: the message says what is wrong and where, `hint` says the next step.
"""

from __future__ import annotations

__all__ = ["CommonwattError", "ConfigError", "DataError", "DeviceError", "RefusedError", "StoreError"]


class CommonwattError(Exception):
    """Root of every error raised on purpose. `code` is stable and safe to switch on."""

    code = "error"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


class ConfigError(CommonwattError):
    """Raised when a configuration is wrong; names file, line and field where they are known.

    `others`: what else is wrong with the same file.
    """

    code = "config"

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        field: str | None = None,
        hint: str | None = None,
    ) -> None:
        where = ":".join(str(part) for part in (file, line) if part is not None)
        prefix = " ".join(part for part in (f"{where}:" if where else "", f"{field}:" if field else "") if part)
        super().__init__(f"{prefix} {message}".strip(), hint=hint)
        self.problem = message
        self.file = file
        self.line = line
        self.field = field
        self.others: tuple[ConfigError, ...] = ()


class DataError(CommonwattError):
    """Raised when a message, file or request from outside does not fit its contract; `field` names the culprit."""

    code = "data"

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{field}: {message}" if field else message, hint=hint)
        self.field = field


class DeviceError(CommonwattError):
    """Raised when a field device is silent, busy or answers garbage; `kind` is one word for metrics."""

    code = "device"

    def __init__(self, message: str, *, kind: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class StoreError(CommonwattError):
    """Raised when a store, register or broker cannot take or give data now; nothing was half written."""

    code = "store"


class RefusedError(CommonwattError):
    """Raised when a limit, a role or a rule forbids what was asked."""

    code = "refused"
