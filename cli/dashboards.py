"""`commonwatt dashboards`: Grafana boards written as files or pushed into a Grafana."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["dashboards_app"]

dashboards_app = typer.Typer(help="Grafana boards as code.", no_args_is_help=True)


@dashboards_app.command("build")
def build_boards(
    out: Annotated[Path, typer.Option(help="Folder for the JSON files.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Writes every board as classic JSON for file provisioning."""
    from dashboards.boards import write

    written = [str(path) for path in write(out)]
    print(json.dumps({"written": written}) if as_json else "\n".join(written))


@dashboards_app.command("push")
def push_boards(
    url: Annotated[str, typer.Option(help="Of the Grafana server.")],
    token_file: Annotated[
        Path | None, typer.Option(help="File with a service account token; or COMMONWATT_GRAFANA_TOKEN.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Creates or renews the folder and the boards in a running Grafana."""
    from dashboards.push import credential, push

    done = push(url, credential(token_file=token_file))
    if as_json:
        print(
            json.dumps(
                {"dashboards": done.dashboards, "folder_created": done.folder_created, "datasource": done.datasource}
            )
        )
        return
    print(f"folder {'created' if done.folder_created else 'was there'}, data source {done.datasource}")
    print("\n".join(done.dashboards))
