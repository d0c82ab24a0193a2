"""`commonwatt dashboards`: Grafana boards written as files or pushed into a Grafana."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["dashboards_app"]

dashboards_app = typer.Typer(help="Grafana boards as code.", no_args_is_help=True)


@dashboards_app.command("build")
def build_boards(out: Annotated[Path, typer.Option(help="Folder for the JSON files.")]) -> None:
    """Writes every board as classic JSON for file provisioning."""
    from dashboards.boards import write

    for path in write(out):
        print(path)


@dashboards_app.command("push")
def push_boards(
    url: Annotated[str, typer.Option(help="Of the Grafana server.")],
    token_file: Annotated[
        Path | None, typer.Option(help="File with a service account token; or COMMONWATT_GRAFANA_TOKEN.")
    ] = None,
) -> None:
    """Creates or renews the folder and the boards in a running Grafana."""
    from dashboards.push import credential, push

    done = push(url, credential(token_file=token_file))
    print(done)
