"""Cancel, retry, pause, resume, give up, adopt: a page that asks for confirmation, and the form that it sends."""

from collections.abc import Collection, Mapping
from typing import Any

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from orchestrator.domain.model import Batch, Job
from orchestrator.web.components import Shown
from orchestrator.web.pages.content.job_actions import (
    ACTIONS,
    Action,
    Target,
    control_of,
    effects_of,
    retried_counts,
    subject_of,
)
from orchestrator.web.pages.forms import Query, field, read_form
from orchestrator.web.pages.job_list import job_url
from orchestrator.web.pages.job_page import JobPage
from orchestrator.web.pages.queueing import Outcome, Queueing, unwritable
from orchestrator.web.pages.site import Site

_OF_ACCOUNT = frozenset({"pause", "resume"})
LONGEST_NUMBER = 10
"""Digits of a batch's number, and one more."""


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
        query = Query.of(request.query_params)
        target = Target(item=query.exact("item"), batch=query.number("batch"))
        return await self._confirm_job(request, job, action, target)

    async def act_on_job(self, request: Request) -> Response:
        """An action on a job."""
        job, action = await self._jobs.named(request), _action(request, ACTIONS.keys())
        target = _target(await read_form(request))
        outcome = await self._carry_out(request, control_of(action, job, target))
        if outcome.mistakes:
            return await self._confirm_job(request, job, action, target, outcome)
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

    async def _confirm_job(
        self, request: Request, job: Job, action: Action, target: Target, refused: Outcome | None = None
    ) -> Response:
        batch = await self._batch(job, target.batch) if action.name == "adopt" else None
        return self._site.single(
            request,
            "confirm.html",
            status=200 if refused is None else 422,
            section="jobs",
            action=action,
            subject=subject_of(action, job, target),
            back=job_url(job.spec.name),
            effects=effects_of(action, job, target, batch),
            target=target,
            states=retried_counts(job) if action.name == "retry" and not target.item else {},
            refused=refused,
        )

    async def _batch(self, job: Job, number: int) -> Batch | None:
        found = await self._shown.store.batch_pages.page(job.id, (), after=number - 1, limit=1) if number else ()
        if not found or found[0].number != number:
            raise HTTPException(404, f"{job.spec.name} has no batch {number}: its batches are listed on its page")
        return found[0]

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
            target=Target(),
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


def _target(form: FormData) -> Target:
    number = field(form, "batch")
    batch = int(number) if number.isascii() and number.isdecimal() and len(number) < LONGEST_NUMBER else 0
    return Target(field(form, "item"), field(form, "state"), batch, field(form, "remote_id").strip())


def _notify(request: Request, outcome: Outcome) -> None:
    if request.state.session is not None:
        request.state.session.notices.append(outcome.text)
