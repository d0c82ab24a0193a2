"""Options that many commands have, each with one name and one text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["CentreOption", "CommunityOption", "JsonOption", "MonthOption", "WhoOption", "WhyOption"]

CentreOption = Annotated[Path, typer.Option("--config", help="The centre's configuration.")]
CommunityOption = Annotated[str, typer.Option(help="The community's id.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]
MonthOption = Annotated[str, typer.Option(help="As 2026-06.")]
WhoOption = Annotated[str | None, typer.Option("--by", help="Who does it, for the audit; default: who runs this.")]
WhyOption = Annotated[str, typer.Option("--why", help="Why, for the audit.")]
