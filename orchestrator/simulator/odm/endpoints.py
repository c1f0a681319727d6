"""The endpoints; paths are relative to the server's address."""

from collections.abc import Iterator

from orchestrator.simulator.odm.api.audit import Audit
from orchestrator.simulator.odm.api.import_jobs import ImportJobs
from orchestrator.simulator.odm.api.publications import Publications
from orchestrator.simulator.odm.api.studies import Studies
from orchestrator.simulator.odm.api.tasks import Tasks
from orchestrator.simulator.odm.protocol.call import Operation
from orchestrator.simulator.odm.world import World

_CURATOR = "/api/v1/as-curator"


def operations(world: World) -> Iterator[Operation]:
    """All endpoints."""
    publications = Publications(world)
    yield Operation("publish_all", "POST", "/api/v1/tasks/publish-versions", publications.publish_all)
    yield Operation(
        "publish_study",
        "POST",
        f"{_CURATOR}/integration/studies/{{study}}/tasks/publish-versions",
        publications.publish,
    )
    yield Operation("list_versions", "GET", f"{_CURATOR}/studies/{{study}}/versions", Studies(world).versions)
    yield Operation("list_studies", "GET", "/api/v1/as-user/studies", Studies(world).listing)
    yield Operation("get_task", "GET", "/api/v1/tasks/{task}", Tasks(world).get)
    yield Operation("list_audit_events", "GET", "/api/v1/audit/events", Audit(world).listing)
    jobs = ImportJobs(world)
    yield Operation("start_import", "POST", "/api/v1/jobs/import/{type}", jobs.start)
    yield Operation("get_job", "GET", "/api/v1/jobs/{job}/info", jobs.info)
    yield Operation("get_output", "GET", "/api/v1/jobs/{job}/output", jobs.output)
    yield Operation("restart_job", "PUT", "/api/v1/jobs/{job}/restart", jobs.restart)
    yield Operation("stop_job", "PUT", "/api/v1/jobs/{job}/stop", jobs.stop)
