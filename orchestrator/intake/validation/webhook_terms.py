"""Whether a job may call the webhook that it names."""

from collections.abc import Iterator, Mapping

from orchestrator.domain.messages.mistake import Mistake
from orchestrator.domain.webhook import WebhookTerms, named, parse_target


def mistakes_of_notify(notify: object, terms: WebhookTerms | None) -> Iterator[Mistake]:
    """Why the webhook in the `notify` of a job is refused; its type and keys are checked elsewhere.

    Nothing is refused where `terms` is None: the job was accepted earlier, and its host may have been removed since.
    """
    url = notify.get("webhook") if isinstance(notify, Mapping) else None
    if terms is None or not isinstance(url, str):
        return
    if not terms.signed:
        message = "names a webhook, and none can be called: the configuration has no `notify.secret_file`"
        yield Mistake(message, "set it in the configuration, or leave `notify` out", ("notify",))
        return
    place = ("notify", "webhook")
    try:
        target = parse_target(url)
    except ValueError as error:
        yield Mistake(str(error), "write the URL of the receiver, such as https://lims.example.org/hook", place)
        return
    if not terms.allow(target):
        message = f"{target.authority} is not one of the hosts that may be notified"
        remedy = f"allowed are {named(terms.allowed_hosts)}; add it to `notify.allowed_hosts` of the configuration"
        yield Mistake(message, remedy, place)
