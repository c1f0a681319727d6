"""The endpoints; paths are relative to `/v2`."""

from collections.abc import Iterator

from orchestrator.simulator.sevenbridges.api.account import Account
from orchestrator.simulator.sevenbridges.api.automations import Automations
from orchestrator.simulator.sevenbridges.api.drs_imports import DrsImports
from orchestrator.simulator.sevenbridges.api.exports import Exports
from orchestrator.simulator.sevenbridges.api.file_jobs import FileJobs
from orchestrator.simulator.sevenbridges.api.files import Files
from orchestrator.simulator.sevenbridges.api.imports import Imports
from orchestrator.simulator.sevenbridges.api.task_lists import TaskLists
from orchestrator.simulator.sevenbridges.api.tasks import Tasks
from orchestrator.simulator.sevenbridges.api.transfers import Transfers
from orchestrator.simulator.sevenbridges.protocol.call import Operation
from orchestrator.simulator.sevenbridges.world import World


def operations(world: World, account: Account) -> Iterator[Operation]:
    """All endpoints."""
    yield Operation("list_paths", "GET", "/", account.paths, public=True, free=True)
    yield Operation("get_rate_limit", "GET", "/rate_limit", account.rate_limit, free=True)
    yield Operation("get_user", "GET", "/user", account.user)
    tasks = Tasks(world)
    yield from _of_tasks(tasks, TaskLists(world))
    yield from _of_transfers(Imports(world))
    yield from _of_transfers(Exports(world))
    yield from _of_files(Files(world), FileJobs(world))
    drs = DrsImports(world)
    yield Operation("bulk_create_drs_imports", "POST", "/bulk/drs/imports/create", drs.create)
    yield Operation("get_drs_import", "GET", "/bulk/drs/imports/{job}", drs.get)
    runs = Automations(world, tasks)
    yield Operation("create_automation_run", "POST", "/automation/runs", runs.create)
    yield Operation("list_automation_runs", "GET", "/automation/runs", runs.listing)
    yield Operation("get_automation_run", "GET", "/automation/runs/{run}", runs.get)
    yield Operation("stop_automation_run", "POST", "/automation/runs/{run}/actions/stop", runs.stop)


def _of_tasks(tasks: Tasks, lists: TaskLists) -> Iterator[Operation]:
    yield Operation("create_task", "POST", "/tasks", tasks.create)
    yield Operation("list_tasks", "GET", "/tasks", lists.listing)
    yield Operation("get_task", "GET", "/tasks/{task}", tasks.get)
    yield Operation("delete_task", "DELETE", "/tasks/{task}", tasks.delete)
    yield Operation("run_task", "POST", "/tasks/{task}/actions/run", tasks.run)
    yield Operation("abort_task", "POST", "/tasks/{task}/actions/abort", tasks.abort)
    yield Operation("bulk_get_tasks", "POST", "/bulk/tasks/get", tasks.bulk_get)


def _of_transfers(transfers: Transfers) -> Iterator[Operation]:
    one, many = transfers.kind, transfers.collection
    yield Operation(f"create_{one}", "POST", f"/storage/{many}", transfers.create)
    yield Operation(f"list_{many}", "GET", f"/storage/{many}", transfers.listing)
    yield Operation(f"get_{one}", "GET", f"/storage/{many}/{{transfer}}", transfers.get)
    yield Operation(f"bulk_create_{many}", "POST", f"/bulk/storage/{many}/create", transfers.bulk_create)
    yield Operation(f"bulk_get_{many}", "POST", f"/bulk/storage/{many}/get", transfers.bulk_get)


def _of_files(files: Files, jobs: FileJobs) -> Iterator[Operation]:
    yield Operation("list_files", "GET", "/files", files.listing)
    yield Operation("get_file", "GET", "/files/{file}", files.get)
    yield Operation("bulk_get_files", "POST", "/bulk/files/get", files.bulk_get)
    yield Operation("bulk_update_files", "POST", "/bulk/files/update", files.bulk_update)
    yield Operation("bulk_edit_files", "POST", "/bulk/files/edit", files.bulk_edit)
    yield Operation("create_copy_job", "POST", "/async/files/copy", jobs.copy)
    yield Operation("create_move_job", "POST", "/async/files/move", jobs.move)
    yield Operation("create_delete_job", "POST", "/async/files/delete", jobs.delete)
    yield Operation("list_file_jobs", "GET", "/async/files", jobs.listing)
    yield Operation("get_file_job", "GET", "/async/files/{type}/{job}", jobs.get)
