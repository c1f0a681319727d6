"""Cancel, retry, pause and resume: a page that asks for confirmation, and the form that it sends."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orchestrator.domain.lifecycle import RETRIED_STATES
from orchestrator.domain.model import ItemState, Job
from orchestrator.web.pages.content.formatting import counted
from orchestrator.web.pages.forms import Query, field, read_form
from orchestrator.web.pages.job_list import job_url
from orchestrator.web.pages.job_page import JobPage
from orchestrator.web.pages.queueing import Outcome, Queueing, unwritable
from orchestrator.web.pages.site import Site
from orchestrator.web.served import Shown


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that an operator may do."""

    name: str
    title: str
    button: str
    is_danger: bool = False


ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "cancel": Action("cancel", "Cancel", "Cancel the job", is_danger=True),
        "retry": Action("retry", "Retry", "Retry the items"),
        "pause": Action("pause", "Pause", "Pause"),
        "resume": Action("resume", "Resume", "Resume"),
    }
)
_OF_ACCOUNT = frozenset({"pause", "resume"})


class Actions:
    """The pages that change jobs and accounts."""

    def __init__(self, site: Site, shown: Shown, jobs: JobPage, queueing: Queueing) -> None:
        self._site = site
        self._shown = shown
        self._jobs = jobs
        self._queueing = queueing

    async def confirm_job(self, request: Request) -> Response:
        """The question before an action on a job."""
        job, action = await self._jobs.named(request), _action(request, ACTIONS.keys())
        return self._confirm_job(request, job, action)

    async def act_on_job(self, request: Request) -> Response:
        """An action on a job."""
        job, action = await self._jobs.named(request), _action(request, ACTIONS.keys())
        form = await read_form(request)
        outcome = await self._carry_out(request, _control(action, job, form))
        if outcome.mistakes:
            return self._confirm_job(request, job, action, outcome)
        _notify(request, outcome)
        return RedirectResponse(job_url(job.spec.name), 303)

    async def confirm_account(self, request: Request) -> Response:
        """The question before an action on an account."""
        return self._confirm_account(request, self._account(request), _action(request, _OF_ACCOUNT))

    async def act_on_account(self, request: Request) -> Response:
        """An action on an account."""
        account, action = self._account(request), _action(request, _OF_ACCOUNT)
        await read_form(request)
        outcome = await self._carry_out(request, {action.name: {"account": account}})
        if outcome.mistakes:
            return self._confirm_account(request, account, action, outcome)
        _notify(request, outcome)
        return RedirectResponse("/accounts", 303)

    async def _carry_out(self, request: Request, control: Mapping[str, Any]) -> Outcome:
        try:
            outcome = await self._queueing.control(control, actor_of(request))
        except OSError as error:
            raise unwritable(error) from None
        self._site.cache.clear()
        return outcome

    def _account(self, request: Request) -> str:
        name: str = request.path_params["name"]
        if name not in self._shown.settings.accounts:
            raise HTTPException(404, f"no account is named {name!r}")
        return name

    def _confirm_job(self, request: Request, job: Job, action: Action, refused: Outcome | None = None) -> Response:
        item = Query.of(request.query_params).text("item")
        retried = {state: job.counts[state] for state in RETRIED_STATES if job.counts.get(state)}
        return self._site.single(
            request,
            "confirm.html",
            status=200 if refused is None else 422,
            section="jobs",
            action=action,
            subject=job.spec.name,
            back=job_url(job.spec.name),
            effects=_effects(action, job, item),
            item=item,
            states=retried if action.name == "retry" and not item else {},
            refused=refused,
        )

    def _confirm_account(
        self, request: Request, account: str, action: Action, refused: Outcome | None = None
    ) -> Response:
        effect = {
            "pause": "No job of this account submits anything until you resume it, jobs still to come included. "
            "What is on the platform continues, and its status is still polled.",
            "resume": "The jobs of this account submit again.",
        }[action.name]
        return self._site.single(
            request,
            "confirm.html",
            status=200 if refused is None else 422,
            section="accounts",
            action=action,
            subject=f"account {account}",
            back="/accounts",
            effects=[effect],
            item="",
            states={},
            refused=refused,
        )


def actor_of(request: Request) -> str:
    """Who sent a request, for the history: the name typed at login, that the token was used, and the address."""
    if request.state.session is not None:
        return str(request.state.session.actor)
    return f"token, from {address_of(request)}"


def address_of(request: Request) -> str:
    """Where a request comes from; behind a proxy, that is the proxy."""
    return request.client.host if request.client is not None else "an unknown address"


def _action(request: Request, allowed: Collection[str]) -> Action:
    name = request.path_params["action"]
    if name not in allowed:
        raise HTTPException(404, f"there is no action {name!r}")
    return ACTIONS[name]


def _control(action: Action, job: Job, form: FormData) -> Mapping[str, Any]:
    control: dict[str, Any] = {action.name: job.spec.name}
    if action.name == "retry":
        if key := field(form, "item"):
            control["items"] = [key]
        elif state := field(form, "state"):
            control["state"] = state
    return control


def _notify(request: Request, outcome: Outcome) -> None:
    if request.state.session is not None:
        request.state.session.notices.append(outcome.text)


def _effects(action: Action, job: Job, item: str) -> list[str]:
    counts = job.counts
    match action.name:
        case "cancel":
            unsent = counts.get(ItemState.PENDING, 0)
            out = sum(count for state, count in counts.items() if not state.final) - unsent
            return [
                *([f"{counted(unsent, 'item')} not yet submitted: never sent."] if unsent else ()),
                *([f"{counted(out, 'item')} on the platform: aborted there, if the platform can."] if out else ()),
                "Items that have ended keep their state. A cancelled job can be retried.",
            ]
        case "retry" if item:
            return [f"The item {item} is submitted again, as a new attempt."]
        case "retry":
            return ["Items that did not succeed are submitted again, as new attempts; so are blocked batches."]
        case "pause":
            return ["Nothing more is submitted until you resume the job. Items on the platform continue there."]
        case _:
            return ["The job submits again, also if it had stopped after too many failures."]
