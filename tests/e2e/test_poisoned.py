"""Work that an earlier version accepted and no request can carry: the daemon starts, and sets it aside."""

from orchestrator.domain.model import BatchState, JobSpec, NewItem
from orchestrator.domain.submission import Resend, Submission
from orchestrator.store.store import Store

ITEMS, SIZE = 30, 5_000_000
LIMITED = ("sh", "-c", 'ulimit -d 393216; exec "$@"', "sh")
"""A process that may use 384 MiB; without the bounds it needs more."""


async def _poison(lab, *, sent):
    """Store a job of one batch of 150 MB; `sent`: it was being sent, with its body stored, when the process died."""
    state = lab.folder / "state"
    state.mkdir(mode=0o700)
    async with Store.opened(f"sqlite:///{state}/orchestrator.db", state_directory=state) as store:
        await store.memory.instance(None)
        spec = JobSpec(
            name="poisoned",
            kind="ica.data_linking",
            account="ica",
            project=lab.project,
            digest="digest",
            batch_size=ITEMS,
            dropped_by="0",
        )
        job = await store.jobs.load(spec, 1)
        for seq in range(1, ITEMS + 1):
            request = b'{"dataId":"fil.%d","note":"%s"}' % (seq, b"x" * SIZE)
            await store.jobs.add_items(job, [NewItem(seq, f"fil.{seq}", request)])
        await store.jobs.commit([job], 1)
        if sent:
            batch = await store.batches.next("ica", room=ITEMS, now=2)
            submission = Submission("POST", "/api/links", {}, b"x" * (ITEMS * SIZE), Resend.HARMLESS)
            await store.advance.begin(batch, submission, user="somebody", now=2)


async def _state(lab):
    state = lab.folder / "state"
    async with Store.opened(f"sqlite:///{state}/orchestrator.db", state_directory=state, read_only=True) as store:
        job = await store.jobs.get("poisoned")
        return job.state, (await store.batches.first(job.id)).state


async def _start(lab):
    """One run in little memory until nothing can be done without an operator."""
    ended = await lab.run(under=LIMITED)
    assert ended.code == 0, ended.log[-3000:]
    return ended


async def test_a_batch_that_no_memory_holds_is_set_aside(lab):
    """Thirty items of 5 MB: the start survives them, other work runs, `cancel` is taken in and settles the job."""
    async with lab.open():
        await _poison(lab, sent=False)
        lab.drop_jobs("good.json", lab.links("good", ["fil.0a"]))
        assert "one request may have" in (await _start(lab)).log
        assert lab.result("good")["job"]["state"] == "succeeded"
        assert (await _state(lab))[1] is BatchState.BLOCKED

        lab.drop("cancel.yaml", "version: 1\ncontrols:\n  - cancel: poisoned\n")
        await _start(lab)
        assert (lab.queue / "accepted/cancel.yaml").exists()
        assert lab.result("poisoned")["job"]["state"] == "cancelled"


async def test_a_batch_that_no_memory_holds_and_that_was_being_sent_is_set_aside(lab):
    """The start survives it too; what became of it cannot be determined, and `cancel` settles the job."""
    async with lab.open():
        await _poison(lab, sent=True)
        lab.drop_jobs("good.json", lab.links("good", ["fil.0a"]))
        assert "whether it arrived cannot be determined" in (await _start(lab)).log
        assert lab.result("good")["job"]["state"] == "succeeded"
        assert (await _state(lab))[1] is BatchState.BLOCKED

        lab.drop("cancel.yaml", "version: 1\ncontrols:\n  - cancel: poisoned\n")
        await _start(lab)
        assert lab.result("poisoned")["job"]["state"] == "cancelled"
