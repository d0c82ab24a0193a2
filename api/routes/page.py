"""The live web page from where it was built, and the API's own documentation, all from this origin."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.answers import json_answer
from api.conditional import conditional
from api.settings import BUILT_PAGE

__all__ = ["install"]

_NOT_BUILT: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>commonwatt</title></head><body>
<h1>commonwatt</h1>
<p>The service runs; its page is not built. Build it once and load this address again:</p>
<pre>cd api/web &amp;&amp; npm ci &amp;&amp; npm run build</pre>
<p>Meanwhile: <a href="api/v1/live">the live numbers</a>, <a href="health/ready">the state of the parts</a>,
<a href="docs">the routes</a>.</p>
</body></html>
"""
_PAGES: Final = {
    "/": "index.html",
    "/buildings": "buildings.html",
    "/me": "me.html",
    "/sizing": "sizing.html",
    "/statements": "statements.html",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"  # the build puts a hash of the content into each name


class _Assets(StaticFiles):
    """Files that never change under their name."""

    async def check_config(self) -> None:
        """A page that is not built is no fault: its files are just not there."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = _FOR_EVER
        return response


def install(app: FastAPI, page_dir: Path | None, *, docs: bool) -> None:
    """Adds `/`, `/buildings`, `/me`, `/sizing`, `/statements`, `/assets` and, with `docs`, `/docs` and `/openapi.json`."""
    directory = page_dir or BUILT_PAGE

    async def routes(request: Request) -> Response:
        return conditional(request, HTMLResponse(_docs_page(app.openapi())))

    async def schema(request: Request) -> Response:
        return conditional(request, json_answer(app.openapi()))

    for path, name in _PAGES.items():
        app.add_route(path, _page(directory / name), include_in_schema=False)
    app.mount("/assets", _Assets(directory=directory / "assets", check_dir=False), name="assets")
    if docs:
        app.add_route("/docs", routes, include_in_schema=False)
        app.add_route("/openapi.json", schema, include_in_schema=False)


def _page(file: Path) -> Callable[[Request], Response]:
    def page(request: Request) -> Response:
        try:
            text = file.read_bytes()
        except OSError:
            return HTMLResponse(_NOT_BUILT)
        return conditional(request, HTMLResponse(text, headers={"Cache-Control": "no-cache"}))

    return page


def _docs_page(schema: dict[str, Any]) -> str:
    """Every route with its parameters as plain HTML: no script, nothing from elsewhere."""
    sections = "\n".join(_section(path, method, operation) for path, method, operation in _operations(schema))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>commonwatt API</title></head><body>\n'
        '<h1>commonwatt API</h1>\n<p>The whole of it for programs: <a href="openapi.json">openapi.json</a>. '
        "Keys: <code>Authorization: Bearer cw_...</code></p>\n"
        f"{sections}\n</body></html>\n"
    )


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _section(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{html.escape(parameter['name'])}</code> ({html.escape(parameter['in'])}) "
        f"{html.escape(parameter.get('description', ''))}</li>"
        for parameter in operation.get("parameters", [])
    )
    text = html.escape(operation.get("description", ""))
    return f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>\n<p>{text}</p>\n<ul>{parameters}</ul>"
