"""The FastAPI application: routes, errors, limits and headers put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI

from api import problems
from api.buildings.settings import BuildingsSettings
from api.context import Context
from api.forecasts import Forecasts
from api.keys import KeyStore
from api.limits import RateLimit
from api.live.feed import LiveFeed
from api.metrics import ApiMetrics
from api.middleware import Guard
from api.oidc import Issuer
from api.places import Places
from api.probe import StoreProbe
from api.routes import page
from api.routes.advice import router as advice_routes
from api.routes.alerts import router as alert_routes
from api.routes.buildings import router as building_routes
from api.routes.channels import router as channel_routes
from api.routes.commands import router as command_routes
from api.routes.forecast import router as forecast_routes
from api.routes.health import router as health_routes
from api.routes.history import router as history_routes
from api.routes.live import LiveFirst
from api.routes.live import router as live_routes
from api.routes.machines import router as machine_routes
from api.routes.me import router as own_routes
from api.routes.places import router as place_routes
from api.routes.plan import router as plan_routes
from api.routes.sharing import router as sharing_routes
from api.routes.sizing import router as sizing_routes
from api.routes.statements import router as statement_routes
from api.routes.wishes import router as wish_routes
from api.schemas import ProblemView
from api.settings import ApiSettings
from energy.community import Community
from energy.errors import StoreError
from messaging.notices import NotificationSettings
from runtime.clock import Clock
from storage.history import History
from storage.register import Register

if TYPE_CHECKING:
    from api.buildings.accounts import Accounts

__all__ = ["create_app"]


_ROUTES: Final = (
    health_routes,
    place_routes,
    live_routes,
    history_routes,
    plan_routes,
    wish_routes,
    machine_routes,
    forecast_routes,
    advice_routes,
    sharing_routes,
    sizing_routes,
    statement_routes,
    own_routes,
    building_routes,
    alert_routes,
    channel_routes,
    command_routes,
)


def create_app(
    settings: ApiSettings,
    communities: Sequence[Community],
    history: History,
    register: Register,
    clock: Clock,
    live: LiveFeed,
    keys: KeyStore,
    notifications: NotificationSettings | None = None,
    buildings: BuildingsSettings | None = None,
) -> FastAPI:
    """The app over stores and a live feed that somebody else opens, runs and closes. Raises ConfigError."""
    context = Context(
        settings=settings,
        communities=communities,
        history=history,
        register=register,
        clock=clock,
        live=live,
        keys=keys,
        places=Places(communities, history, clock),
        store=StoreProbe(history, clock),
        metrics=_metrics(live, register, clock),
        rate_limit=RateLimit(settings.rate_per_s, settings.rate_burst, clock),
        forecasts=Forecasts(history, register, clock),
        notifications=notifications or NotificationSettings(),
        oidc=None if settings.oidc is None else Issuer(settings.oidc),
        investment=settings.investment(),
        accounts=_accounts(buildings or BuildingsSettings(), communities, history, register, clock),
    )
    app = FastAPI(
        title="commonwatt",
        version=_version(),
        description="Live state, history, alerts and leases of municipal energy communities.",
        openapi_url=None,  # served with an ETag beside the pages
        docs_url=None,  # the framework's own pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    problems.install(app)
    app.add_middleware(LiveFirst, context=context)
    app.add_middleware(Guard, metrics=context.metrics, clock=clock)
    for router in _ROUTES:
        app.include_router(router)
    page.install(app, settings.page_dir, docs=settings.docs)
    _describe_problems(app)
    return app


def _accounts(
    settings: BuildingsSettings, communities: Sequence[Community], history: History, register: Register, clock: Clock
) -> Callable[[], Accounts]:
    """Made when first asked for: numpy waits till then, a wrong file of factors is told at once."""
    book = settings.book()

    @cache
    def accounts() -> Accounts:
        from api.buildings.accounts import Accounts  # noqa: PLC0415

        return Accounts(communities, history, register, book, settings.station, clock)

    return accounts


def _metrics(live: LiveFeed, register: Register, clock: Clock) -> ApiMetrics:
    def quarantined() -> float:
        try:
            return register.quarantine_total()
        except StoreError:
            return float("nan")

    metrics = ApiMetrics()
    metrics.gauge(
        "commonwatt_api_quarantined_messages",
        "Messages, readings and values set aside since the register began; NaN: it does not answer",
        quarantined,
    )
    metrics.gauge("commonwatt_api_streams", "Event streams open", lambda: live.events.readers)
    metrics.gauge(
        "commonwatt_api_live_age_seconds",
        "Age of the newest live object; NaN: there is none",
        lambda: float("nan") if (t := live.board.newest) is None else (clock.now_ms() - t) / 1000,
    )
    metrics.gauge("commonwatt_api_rejected_messages", "Messages left out since the start", lambda: live.rejected)
    return metrics


def _describe_problems(app: FastAPI) -> None:
    """Puts the problem's schema, which no route names as its model, where the routes' errors refer to it."""
    generate = app.openapi

    def openapi() -> dict[str, object]:
        schema = generate()
        schema["components"]["schemas"].setdefault("ProblemView", ProblemView.model_json_schema())
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _version() -> str:
    try:
        return version("commonwatt")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"
