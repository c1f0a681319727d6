"""The requests to ICA, one function each. Values only; `Session` sends them."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from orchestrator.domain.submission import Submission
from orchestrator.platforms.http.calls import Call, Effect
from orchestrator.platforms.ica.protocol.batch_paths import BatchPath
from orchestrator.platforms.ica.protocol.media import PROBLEM, V3, V4
from orchestrator.platforms.rate_limit.lanes import URGENT, Lane

SUBMIT_TIMEOUT: Final = 300.0
"""Seconds; longer than the time-outs of the gateways in front of ICA."""


def project(project_id: str) -> str:
    """The path of a project."""
    return f"/api/projects/{quote(project_id, safe='')}"


def submission(sent: Submission, at: BatchPath) -> Call:
    """Create a batch from the stored request."""
    return Call(
        method=sent.method,
        path=sent.path,
        lane=Lane.SUBMIT,
        headers=dict(sent.headers),
        body=sent.body,
        effect=Effect.UNSAFE,
        timeout=SUBMIT_TIMEOUT,
        route=at.route,
    )


def abort(project_id: str, analysis_id: str) -> Call:
    """Abort one analysis. Goes before submissions, in their lane, so that many aborts do not starve the polls.

    A second abort is refused or has no effect, so a lost response may be retried.
    """
    return Call(
        method="POST",
        path=f"{project(project_id)}/analyses/{quote(analysis_id, safe='')}:abort",
        lane=Lane.SUBMIT,
        priority=URGENT,
        headers={"Accept": PROBLEM},
        effect=Effect.SAFE,
        route="abort",
    )


def batch(at: BatchPath, owner: str, batch_id: str) -> Call:
    """One batch of a project or bundle, with its job and parameters."""
    return get(f"{at.of(owner)}/{quote(batch_id, safe='')}", V3, {}, route=f"{at.route}/get")


def items(
    at: BatchPath, owner: str, batch_id: str, size: int, token: str | None = None, *, statuses: Sequence[str] = ()
) -> Call:
    """A page of a batch's items with one of `statuses`; of all items when there are none."""
    path, route = f"{at.of(owner)}/{quote(batch_id, safe='')}/items", f"{at.route}/items"
    params = by_cursor(size, token)
    if at.posted:
        return post(f"{path}:search", {"status": list(statuses)} if statuses else {}, params, route=route)
    return get(path, at.items, [*params.items(), *(("status", status) for status in statuses)], route=route)


def jobs(size: int, offset: int) -> Call:
    """A page of all jobs that this user may see, newest first."""
    return get("/api/jobs", V3, by_offset(size, offset, "timeCreated desc"), route="jobs")


def analysis(project_id: str, analysis_id: str) -> Call:
    """One analysis."""
    return get(f"{project(project_id)}/analyses/{quote(analysis_id, safe='')}", V4, {}, route="analyses/get")


def search(project_id: str, tag: str, statuses: Sequence[str], size: int, token: str | None = None) -> Call:
    """A page of the analyses with `tag` and one of `statuses`; with any status when there are none.

    ICA's filter may match all tags, any of them, or prefixes: the request has a single tag, and the caller must compare
    the tags of the rows.
    """
    return _search(project_id, tag, statuses, by_cursor(size, token))


def ended(project_id: str, tag: str, statuses: Sequence[str], size: int, offset: int) -> Call:
    """The same, sorted by end date, the latest first."""
    return _search(project_id, tag, statuses, by_offset(size, offset, "endDate desc"))


def samples(project_id: str, tag: str, size: int, token: str | None = None) -> Call:
    """A page of the samples with `tag`. As ICA may match more, the caller must compare the tags of the rows."""
    lists: dict[str, object] = {f"{kind}Conditions": [] for kind in ("date", "number", "boolean")}
    wanted = {"conditions": [], **lists, "techTags": [tag], "techTagMatchMode": "EXACT"}
    return post(f"{project(project_id)}/samples:search", wanted, by_cursor(size, token), route="samples:search")


def by_cursor(size: int, token: str | None) -> dict[str, str]:
    """Cursor paging: each row once, unordered."""
    return {"pageSize": str(size)} | ({"pageToken": token} if token else {})


def by_offset(size: int, offset: int, sort: str) -> dict[str, str]:
    """Offset paging, in an order: rows may come twice or be missed."""
    return {"pageOffset": str(offset), "pageSize": str(size), "sort": sort}


def _search(project_id: str, tag: str, statuses: Sequence[str], params: Mapping[str, str]) -> Call:
    wanted = {"status": list(statuses), "technicalTags": [tag]} if statuses else {"technicalTags": [tag]}
    return post(f"{project(project_id)}/analysis:search", wanted, params, route="analysis:search")


def post(path: str, wanted: Mapping[str, object], params: Mapping[str, str], *, route: str) -> Call:
    """A question that is sent as a body."""
    return Call(
        method="POST",
        path=path,
        lane=Lane.POLL,
        params=params,
        headers={"Content-Type": V3, "Accept": V3},
        body=msgspec.json.encode(wanted),
        effect=Effect.SAFE,
        route=route,
    )


def get(path: str, accept: str, params: Mapping[str, str] | Sequence[tuple[str, str]], *, route: str) -> Call:
    """A question."""
    return Call(
        method="GET",
        path=path,
        lane=Lane.POLL,
        params=params,
        headers={"Accept": accept},
        effect=Effect.SAFE,
        route=route,
    )
