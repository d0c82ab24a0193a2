"""Lists and documents that a client has already are not sent again."""

from __future__ import annotations

import pytest

from api.settings import ApiSettings
from tests.api.conftest import Api

LISTS = ("/api/v1/communities", "/api/v1/sites", "/api/v1/alerts/rules")
DOCUMENTS = ("/openapi.json", "/docs", "/")


@pytest.fixture
def built(settings: ApiSettings) -> None:
    assert settings.page_dir is not None
    settings.page_dir.mkdir(parents=True, exist_ok=True)
    (settings.page_dir / "index.html").write_text("<!doctype html><title>the page</title>")


@pytest.mark.parametrize("path", [*LISTS, *DOCUMENTS])
async def test_answer_that_is_held_already_is_not_sent_again(built: None, api: Api, path: str):
    first = await api.get(path)
    assert (first.status_code, first.headers["etag"][0]) == (200, '"')
    for held in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = await api.client.get(path, headers=api.headers["viewer"] | {"If-None-Match": held})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        assert again.headers["cache-control"] == first.headers["cache-control"]
        assert "content-length" not in again.headers or again.headers["content-length"] == "0"
        assert again.headers["x-content-type-options"] == "nosniff"
    other = await api.client.get(path, headers=api.headers["viewer"] | {"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.parametrize("path", LISTS)
async def test_list_is_kept_by_who_asked_and_asked_for_each_time(api: Api, path: str):
    assert (await api.get(path)).headers["cache-control"] == "private, no-cache"


async def test_list_of_one_caller_is_not_that_of_another(api: Api):
    all_of_them = await api.get("/api/v1/communities")
    narrow = {"Authorization": f"Bearer {api.keys.create('narrow', 'viewer', ['schaerbeek'])}"}
    held = narrow | {"If-None-Match": all_of_them.headers["etag"]}
    answer = await api.client.get("/api/v1/communities", headers=held)
    assert [entry["id"] for entry in answer.json()["communities"]] == ["schaerbeek"]


async def test_error_has_no_etag_and_a_key_is_asked_for_before(api: Api):
    held = (await api.get("/api/v1/communities")).headers["etag"]
    answer = await api.client.get("/api/v1/communities", headers={"If-None-Match": held})
    assert (answer.status_code, "etag" in answer.headers) == (401, False)
