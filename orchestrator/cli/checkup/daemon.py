"""Checks the daemon: whether it runs and answers, and what it reports about its accounts."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator import __version__
from orchestrator.cli.checkup.finding import Finding, Result, ok, warning, wrong
from orchestrator.domain.units import format_duration
from orchestrator.platforms.http.clock_skew import MOST
from orchestrator.settings import Settings, SettingsError
from orchestrator.web.listening import listening

_RESTART = "restart it"
_RESOLUTION = 2.0
"""Difference in seconds that cannot be measured with a `Date` in whole seconds."""


def answers(document: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """Report on a daemon that answers and on its accounts, without sending requests to a platform."""
    version = document["daemon"]["version"]
    subject = settings.server.listen if settings.server else "the daemon"
    if version == __version__:
        yield ok("daemon", subject, f"running, version {version}")
    else:
        yield warning(
            "daemon", subject, f"running version {version}, but this program is version {__version__}", _RESTART
        )
    known = {account["name"]: account for account in document["accounts"]}
    for name in settings.accounts:
        if name in known:
            yield from _account(known[name])
        else:
            yield warning("account", name, "not known to the running daemon", _RESTART)


def silent(settings: Settings, reason: str) -> Iterator[Finding]:
    """Report on a daemon that runs but does not answer; what it knows of the accounts is only in its log."""
    if settings.server is None:
        yield ok("daemon", "server", f"{reason}; its server is switched off")
    else:
        text = f"{reason}, but does not answer at {settings.server.listen}"
        remedy = "check its log; if server.listen was changed since its start, restart it"
        yield warning("daemon", "server", text, remedy)
    for name in settings.accounts:
        yield warning(
            "account",
            name,
            "the credential was not checked: a request would use the daemon's budget without its knowledge",
            "check the daemon's log: it reports when a platform refuses a credential",
        )


def port(settings: Settings) -> Iterator[Finding]:
    """Check that the daemon could listen on its port; used when no daemon runs."""
    yield ok("daemon", "run", "no daemon is running on this state directory")
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
    """Compare this machine's clock with a platform's; `seconds` is positive if this machine's is ahead."""
    if abs(seconds) < _RESOLUTION:
        return ok("clock", name, "this machine's clock agrees with the platform's")
    apart = f"this machine's clock is {abs(seconds):.0f} s {'ahead of' if seconds > 0 else 'behind'} the platform's"
    if abs(seconds) <= MOST:
        return ok("clock", name, apart)
    text = f"{apart}: idempotency keys count as expired, so a lost submission is searched for and not repeated"
    return wrong("clock", name, text, "set the clock (NTP), then run `orchestrator doctor` again")


def refused(name: str, reason: str, remedy: str | None) -> Finding:
    """Report that the platform refuses the credential."""
    return Finding(Result.WRONG, "account", name, f"the credential is refused: {reason}", remedy, refused=True)


def _account(account: Mapping[str, Any]) -> Iterator[Finding]:
    name, budget, skew = account["name"], account["budget"], account.get("clock_skew_seconds")
    usage = f"{budget['used']} of {budget['limit']} requests in {format_duration(budget['per_seconds'])} used"
    if account["closed"] and account.get("closed_because", "credential") != "credential":
        yield wrong("account", name, f"closed: {account['detail']} ({usage})")
    elif account["closed"]:
        yield refused(name, f"{account['detail']} ({usage})", None)
    elif skew is None:
        yield warning(
            "account",
            name,
            f"the credential is not checked yet: the daemon has had no answer from the platform; {usage}",
            "submit a job and run this command again, or stop the daemon and run this command again",
        )
    else:
        yield ok("account", name, f"the platform accepts the credential; {usage}")
    if account.get("failing_since"):
        yield wrong(
            "account", name, f"no request has succeeded since {account['failing_since']}", "check the daemon's log"
        )
    if account.get("last_error"):
        yield warning("account", name, f"requests keep failing: {account['last_error']}", "check the daemon's log")
    if budget["closed_for_seconds"]:
        closed = f"the platform accepts no requests for {budget['closed_for_seconds']:.0f} s"
        yield warning("account", name, closed, "lower budget.use_at_most if another program uses the same credential")
    if skew is not None:
        yield clock(name, skew)
