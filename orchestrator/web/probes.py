"""`GET /livez` and `GET /readyz`: 200 or 503. The reasons are for those who may read; anybody may have the number."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from orchestrator.web.answers import Problems, document
from orchestrator.web.health import Check, Health

Verbose = Annotated[bool, Query(description="Tell everything that was looked at.")]


class Probes:
    """Tells whoever manages the daemon how it is."""

    def __init__(self, health: Health, problems: Problems) -> None:
        self._health = health
        self._problems = problems

    async def livez(self, request: Request, *, verbose: Verbose = False) -> Response:
        """Whether the loops turn. A restart mends what this finds."""
        return self._tell(request, "alive", self._health.alive(), verbose=verbose)

    async def readyz(self, request: Request, *, verbose: Verbose = False) -> Response:
        """Whether work can be taken in and kept. A restart mends nothing of what this finds."""
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
        wrong = [f"{check.name}: {check.trouble}" for check in checks if check.trouble]
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
