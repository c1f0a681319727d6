"""Publishing of one study, or of everything that has changes."""

from orchestrator.simulator.exchange import Reply
from orchestrator.simulator.odm.api.tasks import show_task
from orchestrator.simulator.odm.protocol.call import Asked, json
from orchestrator.simulator.odm.protocol.errors import BAD_REQUEST, FORBIDDEN, Refusal
from orchestrator.simulator.odm.work import courses
from orchestrator.simulator.odm.work.naming import Fate, Outcome, fate_of
from orchestrator.simulator.odm.work.objects import AuditEvent, Study, Task, Version
from orchestrator.simulator.odm.world import World

_DEFAULT_MESSAGE = "Auto-published by API call"


class Publications:
    """Makes tasks that publish. A task that does not end as DONE publishes nothing."""

    def __init__(self, world: World) -> None:
        self._world = world

    def publish(self, asked: Asked) -> Reply:
        """POST /api/v1/as-curator/integration/studies/{study}/tasks/publish-versions."""
        world, accession = self._world, asked.ids["study"]
        fate = fate_of(accession)
        if fate.outcome in {Outcome.BAD, Outcome.PRIVATE}:
            raise Refusal(BAD_REQUEST if fate.outcome is Outcome.BAD else FORBIDDEN)
        study = world.study(accession)
        if study is None:
            raise Refusal(world.knobs.missing_study)
        task = self._begin(asked, f"Publish {accession}", accession, fate)
        world.record("publish", task.id, accession, asked.now)
        self._make_version(study, task, asked)
        return json(show_task(task, world, asked.now))

    def publish_all(self, asked: Asked) -> Reply:
        """POST /api/v1/tasks/publish-versions: gone since 1.64."""
        world, message = self._world, _message(asked)
        if world.knobs.publish_all != "kept":
            raise Refusal(int(world.knobs.publish_all))
        task = self._begin(asked, "Publish all studies", message, fate_of(message.partition("(")[0]))
        world.record("publish_all", task.id, message, asked.now)
        for study in list(world.studies.values()):
            if study.changed:
                self._make_version(study, task, asked)
        return json(show_task(task, world, asked.now))

    def _begin(self, asked: Asked, title: str, name: str, fate: Fate) -> Task:
        world = self._world
        seconds = world.seconds(world.knobs.publish_seconds, name, fate)
        return world.add_task(title, asked.user, courses.task(asked.now, seconds, fate), asked.now)

    def _make_version(self, study: Study, task: Task, asked: Asked) -> None:
        world, message = self._world, _message(asked)
        if task.course.statuses[-1] != "DONE" or not (study.changed or world.knobs.republish == "version"):
            return
        study.changed = False
        shown = asked.now if world.knobs.version_shown == "at_once" else task.course.instants[-1]
        number, wall = len(study.versions) + 1, task.wall_at(shown)
        study.versions.append(
            Version(number=number, message=message, author=asked.user, shown=shown, wall=wall),
        )
        world.events.append(
            AuditEvent(id=world.new_id(), study=study.accession, message=message, user=asked.user, at=shown, wall=wall)
        )
        world.record("version", task.id, study.accession, asked.now)


def _message(asked: Asked) -> str:
    return asked.query("versionMessage") or _DEFAULT_MESSAGE
