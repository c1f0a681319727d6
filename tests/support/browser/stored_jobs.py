"""Jobs in the database of a daemon that runs in the test's own process, without a platform."""

from collections.abc import Sequence
from typing import Any

from orchestrator.domain.model import Batch, ItemReport, ItemState, JobSpec, NewItem, Receipt, Stage
from orchestrator.domain.submission import Resend, Submission


async def load(house: Any, name: str, keys: Sequence[str], **more: Any) -> None:
    """A job of links in the database; `more` of its spec."""
    store, now = house.daemon.store, house.daemon.clock.now()
    spec = JobSpec(
        name=name,
        kind="ica.data_linking",
        account="ica",
        project="p",
        digest=name,
        batch_size=1000,
        file=f"{name}.yaml",
        first_stage=Stage("link"),
        dropped_by="0",
        **more,
    )
    job = await store.jobs.load(spec, now)
    await store.jobs.add_items(job, [NewItem(seq, key, b"{}") for seq, key in enumerate(keys, 1)])
    await store.jobs.commit([job], now)


async def track(house: Any, name: str = "work") -> Batch:
    """Put the first batch of a job on the platform."""
    store, now = house.daemon.store, house.daemon.clock.now()
    job = await store.jobs.get(name)
    batch = (await store.batches.of_job(job.id))[0]
    sent = Submission("POST", "/x", {}, b"{}", Resend.HARMLESS)
    begun = await store.advance.begin(batch, sent, user="me", now=now)
    return (await store.advance.confirm(begun, Receipt("remote-1"), now=now)).batch


async def report(house: Any, batch: Batch, seq: int | None, state: ItemState, **more: Any) -> None:
    """The platform reports an item."""
    seen_of = {"status": state.upper(), "seq": seq, "remote_id": f"object-{seq}", "stage": Stage("link")} | more
    seen = ItemReport(batch=batch.key, state=state, **seen_of)
    await house.daemon.store.advance.apply_reports([seen], now=house.daemon.clock.now(), account="ica")
