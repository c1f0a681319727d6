"""What was loaded of a file, and not committed because of a local error, is removed by the next file."""

import json

import anyio
import pytest

from orchestrator.clock import ManualClock
from orchestrator.domain.queue_file.estimate import AccountLimits
from orchestrator.intake.admission import Admission
from orchestrator.intake.validation.check import check
from orchestrator.store.errors import StoreUnavailableError
from orchestrator.store.store import Store

ACCOUNTS = {"ica": AccountLimits("ica", 5000)}


class Gate:
    """One call waits here until it is let through: before it begins, or `behind` its work."""

    def __init__(self, *, behind=False):
        self.behind = behind
        self.reached = anyio.Event()
        self.opened = anyio.Event()

    async def wait(self):
        self.reached.set()
        await self.opened.wait()


class Disk:
    """The jobs of a store, whose calls wait for a gate or fail as a test wants."""

    def __init__(self, jobs):
        self._jobs = jobs
        self.gates = {}
        self.failing = set()

    def __getattr__(self, name):
        call = getattr(self._jobs, name)
        if not callable(call):
            return call

        async def guarded(*given, **named):
            gate = self.gates.pop(name, None)
            if gate is not None and not gate.behind:
                await gate.wait()
            if name in self.failing:
                raise StoreUnavailableError("the disk is full")
            result = await call(*given, **named)
            if gate is not None and gate.behind:
                await gate.wait()
            return result

        return guarded


class Intake:
    """Admits files, each with one job of one item."""

    def __init__(self, store, folder):
        self.disk = Disk(store.jobs)
        self.admission = Admission(self.disk, store.advance, ACCOUNTS, ManualClock())
        self.store = store
        self._folder = folder

    async def admit(self, name):
        job = {"name": name, "kind": "ica.data_linking", "account": "ica", "items": [{"dataId": f"fil.{name}"}]}
        path = self._folder / f"{name}.json"
        path.write_text(json.dumps({"version": 1, "jobs": [job | {"project": "11111111-1111-1111-1111-111111111111"}]}))
        with await check(path, ACCOUNTS) as report:
            return await self.admission.admit(report, f"drop of {name}")

    async def fails(self, name):
        with pytest.raises(StoreUnavailableError):
            await self.admit(name)


@pytest.fixture
async def intake(tmp_path):
    """An intake on a database of its own."""
    async with Store.opened(f"sqlite:///{tmp_path}/orchestrator.db", state_directory=tmp_path) as store:
        await store.memory.instance("lab")
        yield Intake(store, tmp_path)


async def test_a_plan_that_cannot_be_made_again_leaves_no_rows(intake):
    """Another file was committed meanwhile, and then the database failed."""
    loading = intake.disk.gates["add_all"] = Gate()
    async with anyio.create_task_group() as group:
        group.start_soon(intake.fails, "slow")
        await loading.reached.wait()
        await intake.admit("other")
        intake.disk.failing.add("known")
        loading.opened.set()
    intake.disk.failing.clear()
    await intake.admit("next")
    assert await intake.store.jobs.abandon_all_loading() == 0


async def test_a_load_that_fails_while_others_are_removed_is_removed_too(intake):
    """Large files are loaded beside each other, and a full disk fails them one by one."""
    loading, removing = Gate(), Gate(behind=True)
    intake.disk.gates["add_all"] = loading
    async with anyio.create_task_group() as removal:
        async with anyio.create_task_group() as load:
            load.start_soon(intake.fails, "slow")
            await loading.reached.wait()
            intake.disk.failing.add("add_all")
            await intake.fails("first")
            intake.disk.gates["abandon"] = removing
            removal.start_soon(intake.fails, "second")
            await removing.reached.wait()
            loading.opened.set()
        removing.opened.set()
    intake.disk.failing.clear()
    await intake.admit("next")
    assert await intake.store.jobs.abandon_all_loading() == 0
