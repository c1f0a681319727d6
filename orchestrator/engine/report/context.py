"""What the configuration says of a job, for people: its platform, its kind, and the addresses of its items' pages."""

from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from orchestrator.domain.fields import WEB_URL_PLACEHOLDERS
from orchestrator.domain.model import JobSpec
from orchestrator.engine.result_document import Link
from orchestrator.settings import Settings

_PROJECT, _REMOTE_ID = WEB_URL_PLACEHOLDERS


@dataclass(frozen=True, slots=True)
class Context:
    """What stands beside the data of one job."""

    platform: str | None = None
    """The platform's name for people; None if the job's account is no longer configured."""
    about: str | None = None
    """What this kind of work does, in one sentence."""
    link: Link | None = None
    """None without a `web_url` for this kind of work."""


def context_of(settings: Settings, spec: JobSpec) -> Context:
    """The context of a job. Its account or its kind may be gone from the configuration and the program by now."""
    account, kind = settings.accounts.get(spec.account), settings.platforms.kinds.get(spec.kind)
    if account is None or kind is None or kind.platform != account.platform:
        return Context(about=kind.about if kind is not None else None)
    template = account.web_url.get(kind.setting)
    link = partial(web_link, template, spec.project) if template is not None else None
    return Context(settings.platforms[account.platform].title, kind.about, link)


def web_link(template: str, project: str, remote_id: str | None) -> str | None:
    """The address of an item's page; None without an id. What is filled in cannot leave the path of the template."""
    if not remote_id:
        return None
    # A project may be OWNER/PROJECT; all else that means something in a URL is escaped.
    filled = template.replace(_PROJECT, quote(project, safe="/", errors="replace"))
    return filled.replace(_REMOTE_ID, quote(remote_id, safe="", errors="replace"))
