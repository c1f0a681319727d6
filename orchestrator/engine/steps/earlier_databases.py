"""Work that an earlier database of this installation submitted: one that was lost, or replaced by an older backup."""

from collections import defaultdict
from dataclasses import replace

import anyio

from orchestrator.domain.errors import Missing
from orchestrator.domain.model import Batch, Receipt
from orchestrator.platforms.platform import Platform
from orchestrator.store.store import Store


class EarlierDatabases:
    """What earlier databases submitted with one account."""

    def __init__(self, *, platform: Platform, store: Store) -> None:
        self._platform = platform
        self._store = store
        self._known: dict[str, bool] = {}
        """By project."""
        self._asking: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)

    async def submitted_to(self, batch: Batch) -> bool:
        """Whether one submitted to the project of this batch; the platform is asked once for each database."""
        project = batch.project
        async with self._asking[project]:  # one search serves all that wait; it may read many pages
            if project not in self._known:
                name = f"preceded in {project}"
                answer = (await self._store.memory.recall(batch.account)).get(name)
                if answer is None:
                    try:
                        answer = "yes" if await self._platform.knows_instance(project) else "no"
                    except Missing:
                        return False  # no such project: the submission will be refused too
                    await self._store.memory.remember(batch.account, name, answer)
                self._known[project] = answer == "yes"
        return self._known[project]

    async def cut_larger_batches(self, batch: Batch) -> bool:
        """Whether one cut the job into larger batches, so that the keys of its last batches were never used."""
        first = await self._store.batches.first(batch.job)
        job = await self._store.jobs.get(batch.job_name)
        if first.id == batch.id or job is None:
            return False
        shown = await find(self._platform, self._store, replace(first, first_sent_at=None))
        return any(seen.seq is not None and seen.seq > job.spec.batch_size for seen in shown.items)


async def find(platform: Platform, store: Store, batch: Batch) -> Receipt:
    """What the platform has of a batch. Where it keeps no key, what is sent says what to search for."""
    submission = batch.submission or platform.compose(batch, await store.items.of_batch(batch))
    return await platform.reconcile(replace(batch, submission=submission))
