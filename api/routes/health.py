"""Is the service alive, are its parts ready, what does Prometheus count."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool

from api.access import Action, Principal, may
from api.answers import documented, json_answer
from api.context import Ctx
from api.problems import Problem
from api.schemas import Readiness, StatusView

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/health", responses={200: {"model": StatusView}})
@router.get("/api/v1/health", responses={200: {"model": StatusView}})
async def health() -> Response:
    """The process serves requests."""
    return json_answer({"status": "ok"})


@router.get("/health/ready", responses={200: {"model": Readiness}, 503: {"model": Readiness}})
@router.get("/api/v1/health/ready", responses={200: {"model": Readiness}, 503: {"model": Readiness}})
async def ready(context: Ctx) -> Response:
    """Each part answers. 503 when one does not: what can be shown still is."""
    silent = context.live.silent
    parts: dict[str, dict[str, Any]] = {
        "store": {"ok": await context.store.answers()},
        "broker": {"ok": context.live.connected},
        "collector": {
            "ok": not silent,
            "last_live_ms": context.live.board.newest,
            "silent_communities": len(silent),
        },
    }
    is_ready = all(part["ok"] for part in parts.values())
    status = "ready" if is_ready else "degraded"
    return json_answer({"status": status, "parts": parts}, status=200 if is_ready else 503)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, 401: documented(StatusView)[401]},
)
async def metrics(context: Ctx, principal: Annotated[Principal, Depends(may(Action.READ))]) -> Response:
    """Prometheus metrics, for keys of all communities."""
    if principal.scope is not None:
        raise Problem(403, "forbidden", "metrics are about all communities", hint="ask for a key with communities *")
    return Response(await run_in_threadpool(context.metrics.text), media_type=CONTENT_TYPE_LATEST)
