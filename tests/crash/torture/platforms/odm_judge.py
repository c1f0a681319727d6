"""Compares results of publications, imports and followed tasks with what the simulated ODM did."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from chance import Work
from ground import Site
from verdict import GIVEN_UP, MAY_BE_THERE, Item, Verdict

TASK = {"DONE": "succeeded", "FAILED": "failed", "KILLED": "aborted", "BLOCKED_BY_DEPENDENCY_FAILURE": "failed"}
JOB = {"COMPLETED": "succeeded", "FAILED": "failed", "ABANDONED": "failed", "STOPPED": "aborted"}
SENDS = 2
"""A publication of which nothing is found is sent once more."""
Documents = Mapping[str, dict[str, Any]]


def judge(verdict: Verdict, site: Site, documents: Documents) -> None:
    """By the kind of each job, and every import by all jobs that name it."""
    judges = {"odm.publish": _publications, "odm.import": _imports, "odm.task": _tasks}
    for work in site.work:
        if (document := documents.get(work.name)) is not None:
            judges[work.kind](verdict, site, work, document)
    _each_import_once(verdict, site)


def help_with(site: Site, document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """An operator who has looked at ODM adopts the task or job that is there, and has all else sent again."""
    name = document["job"]["name"]
    controls: list[Mapping[str, Any]] = []
    for batch in document["batches"]:
        if batch["state"] == "blocked":
            [item] = [item for item in document["items"] if item["batch"] == batch["number"]]
            if (there := _there(site, name, item["key"])) is not None:
                controls.append({"adopt": {"job": name, "batch": batch["number"], "remote_id": there}})
    return controls or [{"retry": name}]


def _there(site: Site, job: str, key: str) -> str | None:
    """The id of the task or job that is at work for an item, or was."""
    ledger = site.simulator.ledger
    if key == "all":
        mine = [effect.id for effect in ledger.effects("publish_all") if f"everything of {job} " in effect.name]
        return mine[-1] if mine else None
    for kind in ("restart", "import", "publish"):
        if (effect := ledger.latest(kind, key)) is not None:
            return effect.id
    return None


# ---------------------------------------------------------------- publications


def _publications(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    world, now = site.simulator._world, site.clock.monotonic()
    published = Counter(effect.name for effect in site.simulator.ledger.effects("publish"))
    allowed = work.attempts * (1 + site.retries(work.name))
    for item in document["items"]:
        if item["key"] == "all":
            mine = [e for e in site.simulator.ledger.effects("publish_all") if f"everything of {work.name} " in e.name]
            times, versions = len(mine), []
            if times > allowed:
                verdict.twice.append(f"{work.name} has published everything {times} times")
        else:
            times = published[item["key"]]
            study = world.studies.get(item["key"])
            versions = [each for each in study.versions if "everything of" not in each.message] if study else []
            if times > SENDS * allowed:
                verdict.twice.append(f"{work.name} {item['key']} was published {times} times")
            if len(versions) > allowed:
                verdict.twice.append(f"{work.name} {item['key']} has {len(versions)} versions")
        verdict.created += bool(times)
        verdict.repeated += max(0, times - 1)
        task = world.tasks.get(item["remote_id"] or "")
        if task is not None:
            _compare(verdict, work, item, task.course.status(now), TASK)
        elif item["state"] == "succeeded":
            if item["status"] is not None or not (versions or item["key"] == "all"):
                verdict.differ.append(f"{work.name} {item['key']}: says succeeded, and was never published")
        else:
            _never_done(verdict, work, item, done=bool(versions))
        version = (item["facts"] or {}).get("version")
        if version is not None and version not in {f"{item['key']}.{each.number}" for each in versions}:
            verdict.differ.append(f"{work.name} {item['key']}: there is no version {version}")


# ---------------------------------------------------------------- imported data


def _imports(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    world, now = site.simulator._world, site.clock.monotonic()
    restarted = {effect.id for effect in site.simulator.ledger.effects("restart")}
    for item in document["items"]:
        run = world.executions.get(int(item["remote_id"])) if item["remote_id"] else None
        runs = [each for each in world.executions.values() if each.name == item["key"]]
        verdict.created += bool(runs)
        if run is None:
            _never_done(verdict, work, item, done=bool(runs) and "shared" not in item["key"])
        elif run.name != item["key"]:
            verdict.differ.append(f"{work.name} {item['key']}: names job {run.id}, which is of {run.name}")
        elif str(run.id) not in restarted or site.knobs.restart_id == "new":
            _compare(verdict, work, item, run.course.status(now), JOB)
        elif item["state"] != JOB.get(item["status"] or ""):  # another job of ours has restarted it since
            verdict.differ.append(f"{work.name} {item['key']}: says {item['state']} {item['status']}")


def _each_import_once(verdict: Verdict, site: Site) -> None:
    """What ended badly is restarted once by each attempt of each job; one that ended well stays alone.

    Where ODM begins another job for links whose first one failed, it also does so when that one's answer was lost.
    """
    ledger = site.simulator.ledger
    started = Counter(effect.name for effect in ledger.effects("import"))
    again = Counter(effect.name for effect in ledger.effects("restart"))
    for key in started:
        attempts = sum(work.attempts * (1 + site.retries(work.name)) for work in site.work if key in work.keys)
        verdict.repeated += started[key] - 1
        if started[key] > 1 and site.knobs.failed_again == "409":
            verdict.twice.append(f"{key} was imported {started[key]} times")
        if again[key] > attempts:
            verdict.twice.append(f"{key} was restarted {again[key]} times in {attempts} attempts")
        completed = [each for each in site.simulator._world.executions.values() if each.name == key]
        if sum(each.course.statuses[-1] == "COMPLETED" for each in completed) > 1:
            verdict.twice.append(f"{key} was loaded twice")


# ---------------------------------------------------------------- tasks


def _tasks(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    for item in document["items"]:
        task = site.simulator._world.tasks.get(item["key"])
        if task is None:
            _never_done(verdict, work, item, done=False)
        elif item["state"] != "cancelled" or not work.doomed:
            _compare(verdict, work, item, task.course.status(site.clock.monotonic()), TASK)


# ---------------------------------------------------------------- all of them


def _compare(verdict: Verdict, work: Work, item: Item, truth: str, states: Mapping[str, str]) -> None:
    if GIVEN_UP in (item["detail"] or "") or MAY_BE_THERE in (item["detail"] or ""):
        return
    if (item["status"], item["state"]) != (truth, states.get(truth)):
        verdict.differ.append(f"{work.name} {item['key']}: says {item['state']} {item['status']}, is {truth}")


def _never_done(verdict: Verdict, work: Work, item: Item, *, done: bool) -> None:
    if GIVEN_UP in (item["detail"] or "") or MAY_BE_THERE in (item["detail"] or ""):
        return
    if item["state"] == "cancelled" and not done:
        return
    if done or item["state"] not in {"failed", "aborted"} or not item["detail"]:
        verdict.differ.append(f"{work.name} {item['key']}: is {item['state']} ({item['detail']}), done: {done}")
