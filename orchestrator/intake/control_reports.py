"""What the controls of a queue file name, and the texts that report them."""

from collections.abc import Mapping

from orchestrator.domain.messages.counting import counted
from orchestrator.domain.queue_file.control_models import (
    Adopt,
    CancelJob,
    GiveUp,
    OfAccount,
    OfAll,
    OfJob,
    Pause,
    Resume,
    RetryJob,
)
from orchestrator.intake.validation.check import Control
from orchestrator.user_names import user_name


def scope_of(control: Control) -> tuple[str | None, str | None]:
    """The job and the account that a control names; neither for all of them."""
    match control:
        case CancelJob(cancel=name) | RetryJob(retry=name) | GiveUp(give_up=name):
            return name, None
        case Adopt(adopt=it):
            return it.job, None
        case Pause(pause=scope) | Resume(resume=scope):
            match scope:
                case OfAccount(account=account):
                    return None, account
                case OfAll():
                    return None, None
                case OfJob(job=name) | str(name):
                    return name, None


def kind_of(control: Control) -> str:
    """The key that the control is written with."""
    match control:
        case CancelJob():
            return "cancel"
        case RetryJob():
            return "retry"
        case GiveUp():
            return "give-up"
        case Pause():
            return "pause"
        case Resume():
            return "resume"
        case Adopt():
            return "adopt"


def user_of(dropped_by: str | None) -> str:
    """The name of a user by the numeric id of a file's owner, where this system knows it; an operator's as it is."""
    if dropped_by is None:
        return "an unknown user"
    if not dropped_by.isdecimal():
        return dropped_by
    return user_name(dropped_by) or f"user id {dropped_by}"


def described(control: Control, names: Mapping[str, str]) -> tuple[str, str, str]:
    """The control, its target, and a description: `("pause", "account ica", "paused account ica")`.

    `names` has the names of jobs as they were given first, by their folded ones.
    """
    job, account = scope_of(control)
    target = names.get(job.casefold(), job) if job else (f"account {account}" if account else "everything")
    return kind_of(control), target, _words(control, target)


def _words(control: Control, target: str) -> str:
    match control:
        case CancelJob():
            return f"cancelled {target}"
        case RetryJob(items=items, state=state):
            which = f" ({state} items)" if state else f" ({counted(len(items), 'item')})" if items else ""
            return f"retried {target}{which}"
        case GiveUp(items=items):
            which = f" ({counted(len(items), 'item')})" if items else ""
            return f"gave up {target}{which}"
        case Pause():
            return f"paused {target}"
        case Resume():
            return f"resumed {target}"
        case Adopt(adopt=it):
            return f"adopted {it.remote_id} as batch {it.batch} of {target}"
