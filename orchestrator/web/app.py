"""The ASGI app of the server and its routes."""

from typing import Any

import anyio.abc
from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from orchestrator import __version__
from orchestrator.telemetry.redaction import Redactor
from orchestrator.web.api import schemas
from orchestrator.web.api.description import describe
from orchestrator.web.api.queue_upload import Inbox
from orchestrator.web.api.reads import Api
from orchestrator.web.api.responses import PROBLEM, Problems
from orchestrator.web.components import Shown
from orchestrator.web.guard import Guard
from orchestrator.web.monitoring.health import Health
from orchestrator.web.monitoring.probes import Probes
from orchestrator.web.monitoring.scrape import Scrape
from orchestrator.web.pages.routes import page_routes
from orchestrator.web.pages.site import Site
from orchestrator.web.sessions import Sessions


def build(shown: Shown, health: Health, group: anyio.abc.TaskGroup) -> ASGIApp:
    """Build the app behind its guard: probes, API and pages; its background tasks run in `group`."""
    server = shown.settings.server
    token = server.token if server is not None else None
    secret = token.get_secret_value() if token is not None else None
    redactor = Redactor(shown.settings.secrets)
    site = Site(
        shown.instance, shown.clock, lambda: shown.store.writes, has_token=secret is not None, redactor=redactor
    )
    problems = Problems(redactor, site.error_page)
    sessions = Sessions(secret, shown.clock)
    scrape = Scrape(shown)
    group.start_soon(scrape.run)
    app = FastAPI(
        title="orchestrator",
        version=__version__,
        description="Health, metrics and the API of the daemon.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": _problem()},
    )
    app.include_router(_own(Probes(health, problems), scrape))
    app.include_router(_api(Api(shown), Inbox(shown, problems)))
    app.router.routes.extend(page_routes(site, shown, sessions))
    problems.handle(app)
    describe(app, has_token=secret is not None)
    return Guard(app, routes=app.routes, token=secret, clock=shown.clock, problems=problems, sessions=sessions)


def _own(probes: Probes, scrape: Scrape) -> APIRouter:
    """Add the routes about the daemon itself."""
    router = APIRouter(tags=["daemon"])
    router.add_api_route("/livez", probes.livez, response_model=schemas.Health)
    router.add_api_route("/readyz", probes.readyz, response_model=schemas.Health)
    text = {"description": "Prometheus's text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    router.add_api_route("/metrics", scrape.metrics, response_model=None, responses={200: text})
    return router


def _api(api: Api, inbox: Inbox) -> APIRouter:
    """Add the routes that read jobs and accept queue files."""
    router = APIRouter(prefix="/api/v1", tags=["work"])
    router.add_api_route("/jobs", api.jobs, response_model=schemas.JobsPage)
    router.add_api_route("/jobs/{name}", api.job, response_model=schemas.JobDocument)
    router.add_api_route("/jobs/{name}/items", api.items, response_model=schemas.ItemsPage)
    router.add_api_route("/jobs/{name}/history", api.history, response_model=schemas.HistoryPage)
    router.add_api_route("/jobs/{name}/why", api.why, response_model=schemas.WhyDocument)
    page = {"description": "The report.", "content": {"text/html": {"schema": {"type": "string"}}}}
    router.add_api_route("/jobs/{name}/report", api.report, response_model=None, responses={200: page})
    router.add_api_route("/accounts", api.accounts, response_model=schemas.Accounts)
    router.add_api_route(
        "/queue",
        inbox.post,
        methods=["POST"],
        status_code=201,
        response_model=schemas.Received,
        responses={
            200: {"description": "Taken; its jobs were known already.", "model": schemas.Received},
            202: {"description": "Safe in incoming/, and not decided yet.", "model": schemas.Received},
            422: _problem("Not taken: `mistakes` has every one, as NAME.error.json."),
        },
    )
    return router


def _problem(description: str = "Why there is no answer.") -> dict[str, Any]:
    return {"description": description, "content": {PROBLEM: {"schema": schemas.Problem.model_json_schema()}}}
