"""The addresses of the pages."""

from collections.abc import Awaitable, Callable, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestrator.web.components import Shown
from orchestrator.web.pages.account_page import AccountPage
from orchestrator.web.pages.actions import Actions
from orchestrator.web.pages.content.request_history import RequestHistory
from orchestrator.web.pages.file_page import FilePage
from orchestrator.web.pages.job_list import JobList
from orchestrator.web.pages.job_page import JobPage
from orchestrator.web.pages.login import Login
from orchestrator.web.pages.queueing import Queueing
from orchestrator.web.pages.rendering import STATIC_FILES, static_bytes
from orchestrator.web.pages.site import Site
from orchestrator.web.sessions import Sessions

Endpoint = Callable[[Request], Awaitable[Response]]


def page_routes(site: Site, shown: Shown, sessions: Sessions) -> Sequence[Route]:
    """The routes of all pages; their requests have passed the guard."""
    history = RequestHistory(shown.clock)
    shown.bus.subscribe(history)
    queueing = Queueing(shown)
    jobs, files, login = JobPage(site, shown), FilePage(site, shown, queueing), Login(site, sessions)
    actions = Actions(site, shown, jobs, queueing)
    reads: dict[str, Endpoint] = {
        "/": JobList(site, shown).get,
        "/jobs/{name}": jobs.items,
        "/jobs/{name}/batches": jobs.batches,
        "/jobs/{name}/history": jobs.history,
        "/jobs/{name}/report": jobs.report,
        "/jobs/{name}/{action}": actions.confirm_job,
        "/accounts": AccountPage(site, shown, history).get,
        "/accounts/{name}/{action}": actions.confirm_account,
        "/files": files.get,
        "/files/rejected/{name}": files.rejected,
        "/login": login.get,
        "/static/{name}": static,
    }
    changes: dict[str, Endpoint] = {
        "/jobs/{name}/{action}": actions.act_on_job,
        "/accounts/{name}/{action}": actions.act_on_account,
        "/files": files.post,
        "/login": login.post,
        "/logout": login.log_out,
    }
    routes = [Route(path, endpoint, methods=["GET"]) for path, endpoint in reads.items()]
    return routes + [Route(path, endpoint, methods=["POST"]) for path, endpoint in changes.items()]


async def static(request: Request) -> Response:
    """A style sheet, a script or an image. Its address has a digest of it, so it never changes under one address."""
    name: str = request.path_params["name"]
    if name not in STATIC_FILES:
        raise HTTPException(404, f"there is no file {name!r}")
    headers = {"Content-Type": STATIC_FILES[name], "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(static_bytes(name), headers=headers)
