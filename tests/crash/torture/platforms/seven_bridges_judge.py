"""Compares results of work on Seven Bridges with what the simulated platform did."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from chance import Work
from ground import Site
from verdict import GIVEN_UP, MAY_BE_THERE, Item, Verdict, ids_of

TASK = {"COMPLETED": "succeeded", "FAILED": "failed", "ABORTED": "aborted"}
RUN = {"FINISHED": "succeeded", "FAILED": "failed", "ABORTED": "aborted"}
NEVER_RUN = ("bad", "invalid")
"""Words of items of which nothing is ever run."""
NOT_THERE = "the file is not there"
"""What the daemon says of a file that an earlier request for its deletion may have removed."""
JOBS = {"file_copy": "copy", "file_move": "move", "file_delete": "delete", "drs_import": "drs_import"}
"""Kinds that are jobs over many files, and the effect that each has on one."""

Documents = Mapping[str, dict[str, Any]]


def judge(verdict: Verdict, site: Site, documents: Documents) -> None:
    """By the kind of each job."""
    for work in site.work:
        document = documents.get(work.name)
        if document is None:
            continue
        verdict.given_up += sum(GIVEN_UP in (item["detail"] or "") for item in document["items"])
        _OF_KIND[work.kind.partition(".")[2]](verdict, site, work, document)
    known = {each for document in documents.values() for item in document["items"] for each in ids_of(item)}
    open_ended = {item["key"] for document in documents.values() for item in document["items"] if _open_ended(item)}
    for effect in (*site.simulator.ledger.effects("run"), *site.simulator.ledger.effects("automation_run")):
        if effect.id not in known and _plain(effect.name) not in open_ended:
            verdict.twice.append(f"nobody knows of {effect.kind} {effect.id} ({effect.name})")


def help_with(site: Site, document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What an operator does who has checked the platform: adopt what is there; once all of it is, send the rest."""
    name, kind = document["job"]["name"], document["job"]["kind"].partition(".")[2]
    if kind not in JOBS:
        return [{"retry": name}]
    controls: list[Mapping[str, Any]] = []
    for batch in document["batches"]:
        if batch["state"] != "blocked":
            continue
        keys = {item["key"] for item in document["items"] if item["batch"] == batch["number"]}
        there = [job.id for job in _jobs(site, JOBS[kind]) if set(job.names) == keys]
        if there:
            controls.append({"adopt": {"job": name, "batch": batch["number"], "remote_id": there[0]}})
    return controls or [{"retry": name}]


# ---------------------------------------------------------------- what is paid for


def _tasks(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    tasks, parent_end = site.simulator._world.tasks, site.knobs.parent_end
    now = site.clock.monotonic()
    ran = _effects(site, "run")
    for item in document["items"]:
        task = tasks.get(item["remote_id"] or "")
        truth = task.status(now, parent_end) if task is not None else None
        if item["parent"] is not None:
            if task is None or (truth, item["state"]) != (item["status"], TASK.get(truth or "")):
                verdict.differ.append(f"{work.name} child {item['key']}: says {item['status']}, is {truth}")
            continue
        _paid_once(verdict, work, item, ran[item["key"]], set(tasks))
        if task is not None and task.batch and task.started is not None:
            _children(verdict, work, document, item, task)
        elif truth not in {None, "DRAFT"}:
            _compare(verdict, work, item, truth, TASK)
        else:
            _never_ran(verdict, work, item)


def _children(verdict: Verdict, work: Work, document: Mapping[str, Any], item: Item, task: Any) -> None:
    listed = {each["key"] for each in document["items"] if each["parent"] == item["key"]}
    if listed != {child.id for child in task.children}:
        verdict.lost.append(f"{work.name} {item['key']}: {len(listed)} of {len(task.children)} children")
    states = {each["state"] for each in document["items"] if each["parent"] == item["key"]}
    expected = next(iter(states)) if len(states) == 1 else "partial" if "succeeded" in states else "failed"
    if item["state"] != expected:
        verdict.differ.append(f"{work.name} {item['key']}: is {item['state']}, its children make it {expected}")


def _runs(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    world, now = site.simulator._world, site.clock.monotonic()
    ran = _effects(site, "automation_run")
    for item in document["items"]:
        if item["parent"] is not None:
            continue
        _paid_once(verdict, work, item, ran[item["key"]], set(world.runs))
        run = world.runs.get(item["remote_id"] or "")
        if run is None:
            _never_ran(verdict, work, item)
            continue
        _compare(verdict, work, item, run.course.status(now), RUN)
        there = {task.id for task in run.tasks if task.exists(now)}
        # What is listed only after the end of its run is promised by nobody.
        listed = {task.id for task in run.tasks if task.created + world.knobs.list_lag <= run.course.instants[-1]}
        found = {each["key"] for each in document["items"] if each["parent"] == item["key"]}
        if not listed & there <= found <= there and item["state"] != "aborted":
            verdict.lost.append(f"{work.name} {item['key']}: {len(found)} of its {len(there)} tasks")


def _paid_once(verdict: Verdict, work: Work, item: Item, there: set[str], known: set[str]) -> None:
    ids = ids_of(item)
    verdict.created += len(there)
    if there - ids and not _open_ended(item):
        verdict.twice.append(f"{work.name} {item['key']} ran as {sorted(there)}, known are {sorted(ids)}")
    if len(there) > work.attempts:
        verdict.twice.append(f"{work.name} {item['key']} was run {len(there)} times")
    if (
        item["remote_id"] is not None
        and item["remote_id"] not in known
        and item["state"] not in {"cancelled", "failed"}
        and not _open_ended(item)  # the draft of a job that was cancelled was deleted, and nobody could ask
    ):
        verdict.differ.append(f"{work.name} {item['key']} names {item['remote_id']}, which is nowhere")


def _compare(verdict: Verdict, work: Work, item: Item, truth: str, states: Mapping[str, str]) -> None:
    if GIVEN_UP in (item["detail"] or ""):
        return
    if (item["status"], item["state"]) != (truth, states.get(truth)):
        verdict.differ.append(f"{work.name} {item['key']}: says {item['state']} {item['status']}, is {truth}")


def _never_ran(verdict: Verdict, work: Work, item: Item) -> None:
    if item["state"] == "cancelled" or (item["state"] in {"failed", "aborted"} and item["detail"]):
        return
    verdict.differ.append(f"{work.name} {item['key']}: was never run and is {item['state']}: {item['detail']}")


# ---------------------------------------------------------------- transfers


def _transfers(effect: str, verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    """One of an item's transfers succeeds, if any can; a second one meets its file and is none of the result."""
    world, now = site.simulator._world, site.clock.monotonic()
    made = _effects(site, effect)
    for item in document["items"]:
        transfers = [world.transfers[each] for each in made[item["key"]]]
        worked = [each for each in transfers if each.course.status(now) == "COMPLETED"]
        verdict.created += len(worked)
        verdict.repeated += max(0, len(transfers) - 1)
        if len(worked) > 1:
            verdict.twice.append(f"{work.name} {item['key']} was done {len(worked)} times")
        _ended_as(verdict, work, item, succeeded=bool(worked))


# ---------------------------------------------------------------- jobs over many files


def _file_jobs(kind: str, verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    effect, now = JOBS[kind], site.clock.monotonic()
    jobs = _jobs(site, effect)
    harmless = (
        kind in {"file_move", "file_delete"}
        or (work.document.get("options") or {}).get("conflict_resolution") == "SKIP"
    )
    for item in document["items"]:
        outcomes = [job.names[item["key"]] for job in jobs if item["key"] in job.names]
        verdict.created += bool(outcomes)
        if harmless:
            verdict.repeated += max(0, len(outcomes) - 1)
        elif sum(outcomes) > 1:
            verdict.twice.append(f"{work.name} {item['key']} was done {sum(outcomes)} times")
        if kind == "file_delete" and not any(outcomes) and NOT_THERE in (item["detail"] or ""):
            if _is_there(site, item["key"]):
                verdict.differ.append(f"{work.name} {item['key']}: says that it is not there, and it is")
            continue
        _ended_as(verdict, work, item, succeeded=any(outcomes))
        _names_its_copy(verdict, site, work, item)
    for job in jobs:
        if job.course.status(now) != "FINISHED":
            verdict.differ.append(f"job {job.id} still runs")


def _is_there(site: Site, file_id: str) -> bool:
    """A file whose name says that it is unknown never was; any other is there until it is deleted."""
    file = site.simulator._world.files.get(file_id)
    return file is not None and file.exists(site.clock.monotonic())


def _names_its_copy(verdict: Verdict, site: Site, work: Work, item: Item) -> None:
    """A copy's id is that of a file with the name that was asked for, or with the original's."""
    if work.kind.endswith("file_copy") and item["remote_id"] is not None:
        asked = next(each for each in work.document["items"] if each["file"] == item["key"])
        name = site.simulator._world.files[item["remote_id"]].name
        if name != asked.get("name", item["key"]):
            verdict.differ.append(f"{work.name} {item['key']}: its copy is called {name}")


def _updates(verdict: Verdict, site: Site, work: Work, document: Mapping[str, Any]) -> None:
    made = _effects(site, "update")
    for item in document["items"]:
        verdict.repeated += max(0, len(made[item["key"]]) - 1)
        _ended_as(verdict, work, item, succeeded=bool(made[item["key"]]))


def _ended_as(verdict: Verdict, work: Work, item: Item, *, succeeded: bool) -> None:
    state, detail = item["state"], item["detail"] or ""
    if GIVEN_UP in detail or _open_ended(item):
        return
    right = state == "succeeded" if succeeded else state == "failed" and bool(detail)
    if not right:
        truth = "succeeded" if succeeded else "failed"
        verdict.differ.append(f"{work.name} {item['key']}: says {state} ({detail}), has {truth}")


# ---------------------------------------------------------------- what the ledger shows


def _effects(site: Site, kind: str) -> defaultdict[str, set[str]]:
    """What was made of each item, by the name that its job gives it."""
    made: defaultdict[str, set[str]] = defaultdict(set)
    for effect in site.simulator.ledger.effects(kind):
        made[_plain(effect.name)].add(effect.id if kind != "update" else str(effect.at))
    return made


def _jobs(site: Site, effect: str) -> list[Any]:
    ids = dict.fromkeys(each.id for each in site.simulator.ledger.effects(effect))
    return [site.simulator._world.jobs[each] for each in ids]


def _plain(name: str) -> str:
    """A name without our mark behind it."""
    return name.partition(" (orc-batch=")[0]


def _open_ended(item: Item) -> bool:
    return MAY_BE_THERE in (item["detail"] or "")


def _bound(of: Callable[..., None], what: str) -> Callable[..., None]:
    return lambda *given: of(what, *given)


def _all() -> Iterator[tuple[str, Callable[..., None]]]:
    yield from {"task": _tasks, "automation_run": _runs, "file_update": _updates}.items()
    yield from ((kind, _bound(_transfers, kind)) for kind in ("import", "export"))
    yield from ((kind, _bound(_file_jobs, kind)) for kind in JOBS)


_OF_KIND = dict(_all())
