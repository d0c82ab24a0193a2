"""The page and the documentation from our own origin, nothing outside their folder."""

from __future__ import annotations

import pytest

from api.settings import ApiSettings
from tests.api.conftest import Api


@pytest.fixture
def built(settings: ApiSettings) -> None:
    assert settings.page_dir is not None
    (settings.page_dir / "assets").mkdir(parents=True)
    (settings.page_dir / "index.html").write_text("<!doctype html><title>the page</title>")
    (settings.page_dir / "buildings.html").write_text("<!doctype html><title>the buildings</title>")
    (settings.page_dir / "assets" / "index-abc123.js").write_text("export {}")
    (settings.page_dir / "secret.txt").write_text("secret")


async def test_page_is_asked_for_anew_and_its_assets_are_kept_for_ever(built: None, api: Api):
    page = await api.client.get("/")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
    assert "the page" in page.text
    assert page.headers["etag"]
    asset = await api.client.get("/assets/index-abc123.js")
    assert "immutable" in asset.headers["cache-control"]
    assert asset.headers["content-type"].startswith("text/javascript")
    again = await api.client.get("/assets/index-abc123.js", headers={"If-None-Match": asset.headers["etag"]})
    assert again.status_code == 304


async def test_buildings_page_has_its_own_address(built: None, api: Api):
    page = await api.client.get("/buildings")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
    assert "the buildings" in page.text


@pytest.mark.parametrize("path", ["/assets/../secret.txt", "/assets/%2e%2e/secret.txt", "/assets/", "/assets/x.js", "/secret.txt"])  # fmt: skip
async def test_nothing_else_is_served(built: None, api: Api, path: str):
    answer = await api.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_page_that_is_not_built_says_how_to_build_it(api: Api):
    answer = await api.client.get("/")
    assert "npm ci" in answer.text
    assert (await api.client.get("/assets/x.js")).status_code == 404


async def test_docs_name_every_route_and_load_nothing(api: Api):
    answer = await api.client.get("/docs")
    for path in api.app.openapi()["paths"]:
        assert f" {path}</code>" in answer.text
    assert "<script" not in answer.text
    assert "http" not in answer.text.replace("the whole of it", "")
