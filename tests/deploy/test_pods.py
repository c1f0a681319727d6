"""The pods of the overlays, executed: users, rights, probes, how files reach them, a kill, and how they end."""

import json
import os
import re
import urllib.error

import pytest
from containers import IMAGE
from pods import INCOMING, USER, Pod, beside_a_platform, links
from processes import get, until
from tools import ROOT

pytestmark = pytest.mark.xdist_group("image")

# ---------------------------------------------------------------- the sqlite overlay


@pytest.fixture
def pod(engine, tmp_path):
    """The pod of the `sqlite` overlay, ready."""
    with beside_a_platform(Pod(engine, tmp_path / "pod", "sqlite")) as found:
        found.start_until_ready()
        yield found


def test_the_pod_works_is_killed_and_goes_on_with_the_same_volume(pod):
    """With its own user, a read-only root, no capability, its memory limit and its probes."""
    found = pod.inspect()
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["EffectiveCaps"] in (None, [])
    assert found["HostConfig"]["Memory"] == 512 * 1024**2
    assert pod.engine.do("podman", "exec", pod.container, "id", "-u") == "10001"
    assert pod.engine.call("podman", "exec", pod.container, "touch", "/opt/x").returncode != 0

    pod.copy_in("first.json", links("first", "fil.1", "fil.2"))
    until(lambda: pod.settled("first"))
    pod.copy_in("second.json", links("second", *(f"fil.{number}" for number in range(100, 400))))
    until(lambda: json.loads(pod.ask("/api/v1/jobs/second"))["job"])
    pod.kill()

    pod.start_until_ready()
    assert pod.settled("first")
    for name in ("first.json", "second.json"):
        until((pod.folder / "data/queue/results" / name).exists)
    copies = list((pod.folder / "data/backups").glob("orchestrator-*.db"))
    assert len(copies) == 1
    assert pod.stop() == 0


@pytest.fixture(scope="module")
def shared(engine, tmp_path_factory):
    """The pod with its queue on a volume that others mount too, ready."""
    folder = tmp_path_factory.mktemp("shared")
    with beside_a_platform(Pod(engine, folder / "pod", "sqlite")) as found:
        found.share_queue(folder / "queue")
        found.start_until_ready()
        yield found


def by_copy(pod, name, text):
    """`kubectl cp`, then `kubectl exec … mv`."""
    pod.copy_in(name, text)


def by_shared_volume(pod, name, text):
    """Written and renamed by another container that mounts the same volume."""
    (pod.folder / name).write_text(text)
    draft = f"{INCOMING}/.{name}.tmp"
    pod.engine.do(
        "podman", "run", "--rm", "--pull=never", "--network=none", "--entrypoint=/bin/sh",
        "-v", f"{pod.shared_queue}:/var/lib/orchestrator/queue", "-v", f"{pod.folder / name}:/tmp/job:ro", IMAGE,
        "-c", f"cp /tmp/job {draft} && mv {draft} {INCOMING}/{name}",
    )  # fmt: skip


def by_post(pod, _name, text):
    """To the API, with the server token; the response confirms that the job is stored."""
    assert json.loads(pod.ask("/api/v1/queue", text))["decided"]


@pytest.mark.parametrize("way", [by_copy, by_shared_volume, by_post])
def test_files_reach_the_pod(shared, way):
    """In each of the three ways that the guide shows; the result lies where the queue is."""
    name = way.__name__.replace("_", "-")
    way(shared, f"{name}.json", links(name, f"fil.{name}-1", f"fil.{name}-2"))
    until(lambda: shared.settled(name))
    until((shared.shared_queue / f"results/{name}.csv").exists)


def test_the_commands_of_the_guide_work_inside(shared):
    """Each `kubectl exec` of it as it stands, on a job that has failed items."""
    by_post(shared, "", links("night", "fil.1", "fil.2-fail"))
    until(lambda: shared.settled("night"))
    until((shared.shared_queue / "results/night.csv").exists)
    guide = (ROOT / "docs/operations/kubernetes.md").read_text()
    commands = re.findall(r"^kubectl exec orchestrator-0 -- (orchestrator [^#\n]+|cat [^#\n]+)", guide, re.MULTILINE)
    assert len(commands) == 7
    for command in commands:
        words = command.strip().replace("JOB", "night").split()
        ended = shared.engine.call("podman", "exec", shared.container, *words)
        assert ended.returncode == 0, (command, ended.stdout, ended.stderr)


def test_what_lies_beyond_the_probes_needs_the_token(shared):
    """Probes are answered to anybody; `/metrics` to who shows the server token, as the ServiceMonitor does."""
    assert b"orchestrator_build_info" in shared.ask("/metrics")
    for path, body in (("/metrics", None), ("/api/v1/queue", links("refused", "fil.1"))):
        with pytest.raises(urllib.error.HTTPError) as caught:
            get(f"http://127.0.0.1:{shared.port}{path}", "another", body)
        assert caught.value.code == 401


# ---------------------------------------------------------------- the job overlay


@pytest.fixture
def job(engine, tmp_path):
    """The pod of the `job` overlay with a file in its queue, not started yet."""
    found = Pod(engine, tmp_path / "pod", "job")
    for folder in ("state", "queue", "queue/incoming"):
        (found.folder / "data" / folder).mkdir()
        os.chown(found.folder / "data" / folder, USER, USER)
    (found.folder / "data/queue/incoming/work.json").write_text(links("work", "fil.1", "fil.2"))
    with beside_a_platform(found):
        yield found


def test_the_job_processes_the_queue_and_ends(job):
    """With 0 when all is done; a second one finds nothing to do."""
    for _ in range(2):
        job.start()
        assert job.ended() == 0, job.logs()
        job.remove()
    assert (job.folder / "data/queue/results/work.json").exists()


def test_a_job_that_cannot_use_its_database_fails(job):
    """With 1, which another attempt does not change; the log says why, and what is in the queue stays there."""
    (job.folder / "data/state/orchestrator.db").write_text("not a database")
    job.start()
    assert job.ended() == 1
    assert "is not an SQLite database" in job.logs()
    assert (job.folder / "data/queue/incoming/work.json").exists()
