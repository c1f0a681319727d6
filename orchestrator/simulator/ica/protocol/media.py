"""Versioned media types: which an operation takes and gives, and what a request asks for."""

from dataclasses import dataclass

from orchestrator.simulator.exchange import Request
from orchestrator.simulator.ica.protocol.problems import BAD_REQUEST, Problem

JSON = "application/json"
VERSIONED = {3: "application/vnd.illumina.v3+json", 4: "application/vnd.illumina.v4+json"}
_VERSIONS = {media_type: version for version, media_type in VERSIONED.items()}
_TITLE = "ICA_API_004"


@dataclass(frozen=True, slots=True)
class Media:
    """The versions that an operation answers in, and what it takes; no `gives` means that any Accept will do."""

    gives: tuple[int, ...] = (3,)
    takes: tuple[int, ...] | None = None
    """Versions of its body; None: it has no body."""
    takes_json: bool = False
    """Whether plain `application/json` will do for the body."""

    def negotiate(self, request: Request) -> int:
        """The version to answer in; raises Problem 400 (ICA_API_004) unless the headers name exact types."""
        version = self._wanted(request)
        if self.takes is None:
            return version
        given = _bare(request.headers.get("content-type", ""))
        if given == JSON and self.takes_json:
            return version
        if _VERSIONS.get(given) not in self.takes:
            raise Problem(BAD_REQUEST, "Invalid Content-Type Header", _TITLE)
        if len(self.takes) > 1 and _VERSIONS[given] != version:
            raise Problem(BAD_REQUEST, "Content-Type and Accept must have the same version", _TITLE)
        return version

    def _wanted(self, request: Request) -> int:
        if not self.gives:
            return 3
        for accepted in request.headers.get("accept", "").split(","):
            version = _VERSIONS.get(_bare(accepted))
            if version in self.gives:
                return version
        raise Problem(BAD_REQUEST, "Invalid Accept Header", _TITLE)


def _bare(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
