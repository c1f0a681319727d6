"""Whether a job may call the webhook that it names."""

from orchestrator.domain.mistake import Mistake
from orchestrator.domain.webhook import WebhookTerms, named, parse_target


def mistake_of_webhook(url: str, terms: WebhookTerms) -> Mistake | None:
    """Why a webhook is refused; None when it may be called."""
    if not terms.signed:
        message = "names a webhook, and none can be called: the configuration has no `notify.secret_file`"
        return Mistake(message, "set it in the configuration, or leave `notify` out")
    try:
        target = parse_target(url)
    except ValueError as error:
        return Mistake(str(error), "write the URL of the receiver, such as https://lims.example.org/hook", ("webhook",))
    if terms.allow(target):
        return None
    message = f"{target.authority} is not one of the hosts that may be notified"
    remedy = f"allowed are {named(terms.allowed_hosts)}; add it to `notify.allowed_hosts` of the configuration"
    return Mistake(message, remedy, ("webhook",))
