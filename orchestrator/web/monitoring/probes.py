"""`GET /livez` and `GET /readyz`: 200 or 503. The reasons require read access; the status code does not."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from orchestrator.web.api.responses import Problems, document
from orchestrator.web.monitoring.health import Check, Health

Verbose = Annotated[bool, Query(description="Report every check.")]


class Probes:
    """The liveness and readiness probes."""

    def __init__(self, health: Health, problems: Problems) -> None:
        self._health = health
        self._problems = problems

    async def livez(self, request: Request, *, verbose: Verbose = False) -> Response:
        """Liveness: whether the event loops are running. A restart fixes a failure."""
        return self._tell(request, "alive", self._health.alive(), verbose=verbose)

    async def readyz(self, request: Request, *, verbose: Verbose = False) -> Response:
        """Readiness: whether disk, database and queue are writable. A restart does not fix a failure."""
        return self._tell(
            request,
            "ready",
            await self._health.ready(),
            verbose=verbose,
            accounts=self._health.accounts(),
            files=self._health.waiting_files(),
        )

    def _tell(
        self,
        request: Request,
        word: str,
        checks: Sequence[Check],
        *,
        verbose: bool,
        accounts: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
    ) -> Response:
        wrong = [f"{check.name}: {check.error}" for check in checks if check.error]
        more: dict[str, Any] = {}
        if verbose:
            more = {"checks": [asdict(check) for check in checks]}
            more |= {"accounts": accounts} if accounts is not None else {}
            more |= {"incoming": files} if files else {}
        trusted = request.state.trusted
        if not wrong:
            return document({"status": word} | (more if trusted else {}))
        if not trusted:
            return self._problems.answer(503, f"not {word}")
        return self._problems.answer(503, f"not {word}: {'; '.join(wrong)}", reasons=wrong, **more)
