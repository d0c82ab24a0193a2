"""All dashboards by file name, and writing them where Grafana's file provisioning reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from dashboards.community import COMMUNITY
from dashboards.model import Board, Json
from dashboards.site import SITE
from energy.errors import ConfigError

__all__ = ["BOARDS", "build", "write"]

BOARDS: Final[tuple[Board, ...]] = (COMMUNITY, SITE)


def build() -> dict[str, Json]:
    """File name to dashboard, in Grafana's classic JSON."""
    return {f"{board.uid}.json": board.to_json() for board in BOARDS}


def write(out: Path) -> list[Path]:
    """Writes every dashboard into the folder `out`, each file whole or not at all. Raises ConfigError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        return [_replace(out / name, dashboard) for name, dashboard in build().items()]
    except OSError as error:
        raise ConfigError(
            f"cannot write dashboards: {error.strerror}",
            file=str(error.filename or out),
            hint="give a folder you may write to with --out",
        ) from error


def _replace(path: Path, dashboard: Json) -> Path:
    """Grafana watches the folder while we write: it must never read half a file."""
    unfinished = path.with_suffix(".json.part")
    unfinished.write_text(json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return unfinished.replace(path)
