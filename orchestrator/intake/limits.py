"""What intake knows of accounts and webhooks, from the configuration."""

from collections.abc import Mapping

from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.domain.webhook import WebhookTerms
from orchestrator.platforms.rate_limit.window import Limit
from orchestrator.settings import Settings


def account_limits(settings: Settings) -> Mapping[str, AccountLimits]:
    """By the account's name: for the daemon's intake, and for `validate` and `submit`."""
    return {
        name: AccountLimits(
            platform=account.platform,
            open_items=account.limits.open_items,
            batch_size=account.batch_size.model_dump(),
            batch_bytes=account.batch_bytes,
            requests=Limit(account.budget.requests, account.budget.per, account.budget.use_at_most).slots,
            per=account.budget.per,
            page_size=account.page_size,
        )
        for name, account in settings.accounts.items()
    }


def webhook_terms(settings: Settings) -> WebhookTerms:
    """Which webhooks jobs may name. Readable by every user, as `validate` and `submit` check them too."""
    return WebhookTerms(settings.notify.allowed_hosts, signed=settings.notify.secret_file is not None)
