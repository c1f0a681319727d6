"""The daemon: whether one runs, whether it answers, and what it tells of its accounts."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator import __version__
from orchestrator.cli.checkup.finding import Finding, Result, ok, warning, wrong
from orchestrator.domain.units import format_duration
from orchestrator.platforms.skew import MOST
from orchestrator.settings import Settings, SettingsError
from orchestrator.web.serving import listening

_RESTART = "restart it"
_NOTHING = 2.0
"""Seconds of difference that a `Date` in whole seconds cannot tell from none."""


def answers(told: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """What a daemon that answers is, and what it knows of the accounts. Nothing is asked of a platform for this."""
    version = told["daemon"]["version"]
    subject = settings.server.listen if settings.server else "the daemon"
    if version == __version__:
        yield ok("daemon", subject, f"runs and answers, version {version}")
    else:
        yield warning("daemon", subject, f"runs version {version}, and this program is {__version__}", _RESTART)
    known = {account["name"]: account for account in told["accounts"]}
    for name in settings.accounts:
        if name in known:
            yield from _account(known[name])
        else:
            yield warning("account", name, "the running daemon does not know it", _RESTART)


def silent(settings: Settings, reason: str) -> Iterator[Finding]:
    """A daemon that cannot be asked: what it knows of the accounts is in its log alone."""
    if settings.server is None:
        yield ok("daemon", "server", f"{reason}, and its server is switched off")
    else:
        told = f"{reason}, and does not answer at {settings.server.listen}"
        yield warning("daemon", "server", told, "see its log; if server.listen was changed since its start, restart it")
    for name in settings.accounts:
        yield warning(
            "account",
            name,
            "the credential was not checked: a request of ours would spend the daemon's budget unseen",
            "see the daemon's log, which tells when a platform refuses a credential",
        )


def port(settings: Settings) -> Iterator[Finding]:
    """Whether the daemon could listen where it is to; for when none runs."""
    yield ok("daemon", "run", "none runs on this state")
    if settings.server is None:
        return
    try:
        with listening(settings.server.listen):
            pass
    except SettingsError as error:
        for problem in error.problems:
            yield wrong("daemon", problem.key, problem.text)
    else:
        yield ok("daemon", "server.listen", f"{settings.server.listen} is free")


def clock(name: str, seconds: float) -> Finding:
    """How our clock stands to a platform's; `seconds` is positive where ours is ahead."""
    if abs(seconds) < _NOTHING:
        return ok("clock", name, "this machine's clock agrees with the platform's")
    apart = f"this machine's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the platform's"
    if abs(seconds) <= MOST:
        return ok("clock", name, apart)
    told = f"{apart}: keys' ages count as over, so a lost submission is looked for and not repeated"
    return wrong("clock", name, told, "set the clock (NTP), then see `orchestrator doctor` again")


def refused(name: str, reason: str, remedy: str | None) -> Finding:
    """The platform does not accept the credential."""
    return Finding(Result.WRONG, "account", name, f"the credential is refused: {reason}", remedy, refused=True)


def _account(told: Mapping[str, Any]) -> Iterator[Finding]:
    name, budget, skew = told["name"], told["budget"], told.get("clock_skew_seconds")
    more = f"{budget['used']} of {budget['limit']} requests in {format_duration(budget['per_seconds'])} used"
    if told["closed"] and told.get("closed_because", "credential") != "credential":
        yield wrong("account", name, f"closed: {told['detail']} ({more})")
    elif told["closed"]:
        yield refused(name, f"{told['detail']} ({more})", None)
    elif skew is None:
        yield warning(
            "account",
            name,
            f"the platform has told the daemon nothing yet, so whether it accepts the credential is not known; {more}",
            "drop a job and look again, or stop the daemon and look again",
        )
    else:
        yield ok("account", name, f"the platform accepts the credential; {more}")
    if told.get("failing_since"):
        yield wrong("account", name, f"no request has succeeded since {told['failing_since']}", "see the daemon's log")
    if told.get("last_error"):
        yield warning("account", name, f"goes on failing: {told['last_error']}", "see the daemon's log")
    if budget["closed_for_seconds"]:
        closed = f"the platform wants no request for {budget['closed_for_seconds']:.0f} s"
        yield warning("account", name, closed, "lower budget.use_at_most if somebody else uses the same credential")
    if skew is not None:
        yield clock(name, skew)
