"""The pod of an overlay, executed on this machine by `podman play kube` beside a simulated platform."""

import io
import json
import os
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import yaml
from containers import IMAGE, Engine
from processes import free_port, get, running, until
from tools import ROOT, run, tool

USER = 10001
"""The user and group of the image."""
TOKEN = "token-of-the-test"
PROJECT = "11111111-1111-1111-1111-111111111111"
INCOMING = "/var/lib/orchestrator/queue/incoming"
_ON_THE_VOLUME = "/var/lib/orchestrator/queue"


class Pod:
    """An overlay with the addresses of this machine in its configuration, and folders in place of its volumes."""

    def __init__(self, engine: Engine, folder: Path, overlay: str, **secrets: str) -> None:
        self.engine, self.folder = engine, folder
        self.port, self.platform = free_port(), free_port()
        documents = yaml.safe_load_all(
            run(tool("kubectl"), "kustomize", ROOT / "deploy/kubernetes/overlays" / overlay).stdout
        )
        kinds = {each["kind"]: each for each in documents}
        self.spec = (kinds.get("StatefulSet") or kinds["Job"])["spec"]["template"]["spec"]
        self.config = yaml.safe_load(kinds["ConfigMap"]["data"]["config.yaml"])
        self.config["instance"] = "pod"
        self.config["server"]["listen"] = f"127.0.0.1:{self.port}"
        self.config["accounts"]["ica"]["base_url"] = f"http://127.0.0.1:{self.platform}/ica/rest"
        for name in ("data", "config", "secrets"):
            (folder / name).mkdir(parents=True)
        os.chown(folder / "data", USER, USER)
        for name, secret in {"ica_api_key": "simulator", "server_token": TOKEN, **secrets}.items():
            file = folder / "secrets" / name
            file.write_text(secret)
            os.chown(file, 0, USER)
            file.chmod(0o440)
        self.name = f"{overlay}-{self.port}"
        self.container = f"{self.name}-orchestrator"
        self.scratch = f"{self.name}-tmp"  # Podman makes it a volume of this name, and removes it with the pod
        self.shared_queue: Path | None = None

    def share_queue(self, folder: Path) -> None:
        """Mount a folder that others also mount as the queue, as a shared volume is."""
        folder.mkdir()
        os.chown(folder, USER, USER)
        self.shared_queue = folder

    def manifest(self) -> dict[str, Any]:
        """What `podman play kube` accepts of it: folders as volumes, neither named ports nor probes."""
        names = ("securityContext", "terminationGracePeriodSeconds", "restartPolicy")
        spec: dict[str, Any] = {key: self.spec[key] for key in names if key in self.spec}
        for key in ("initContainers", "containers"):
            if key in self.spec:
                spec[key] = [self._container(each) for each in self.spec[key]]
        folders = {name: self.folder / name for name in ("data", "config", "secrets")}
        if self.shared_queue is not None:
            folders["queue"] = self.shared_queue
        spec["volumes"] = [
            {"name": name, "hostPath": {"path": str(path), "type": "Directory"}} for name, path in folders.items()
        ] + [{"name": self.scratch, "emptyDir": {}}]
        # Kept as Kubernetes keeps them; Podman removes others at their end, sometimes before they have one.
        kept = {"io.podman.annotations.init.container.type": "always"}
        metadata = {"name": self.name, "annotations": kept}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}

    def _container(self, given: dict[str, Any]) -> dict[str, Any]:
        names = ("name", "args", "env", "resources", "securityContext", "volumeMounts")
        kept = {key: given[key] for key in names if key in given} | {"image": IMAGE}
        kept["volumeMounts"] = [
            each | {"name": self.scratch} if each["name"] == "tmp" else each for each in kept["volumeMounts"]
        ]
        if self.shared_queue is not None:
            kept["volumeMounts"] = [*kept["volumeMounts"], {"name": "queue", "mountPath": _ON_THE_VOLUME}]
        return kept

    def start(self) -> None:
        """Write the configuration and run the pod; init containers have ended when this returns."""
        (self.folder / "config/config.yaml").write_text(json.dumps(self.config))
        (self.folder / "pod.yaml").write_text(yaml.safe_dump(self.manifest()))
        self.engine.do("podman", "play", "kube", "--network=host", self.folder / "pod.yaml")

    def start_until_ready(self) -> None:
        """Run the pod until each of its own probes succeeds."""
        self.start()
        for kind in ("startup", "liveness", "readiness"):
            until(lambda kind=kind: self.probe(kind))

    def remove(self) -> None:
        """Remove the pod at once; its volumes stay."""
        self.engine.call("podman", "pod", "rm", "-f", "-t", "0", self.name)

    def kill(self) -> None:
        """Kill the daemon, and remove what is left of the pod."""
        self.engine.do("podman", "kill", "-s", "KILL", self.container)
        self.remove()

    def stop(self) -> int:
        """End it within the grace period of the manifest; its exit code."""
        self.engine.do("podman", "stop", "-t", self.spec["terminationGracePeriodSeconds"], self.container)
        return int(self.inspect()["State"]["ExitCode"])

    def ended(self) -> int:
        """Wait until a pod that ends by itself has; its exit code."""
        return int(self.engine.do("podman", "wait", self.container))

    def logs(self) -> str:
        """What the daemon has written."""
        seen = self.engine.call("podman", "logs", self.container)
        return seen.stdout + seen.stderr

    def inspect(self) -> dict[str, Any]:
        """The container as the engine describes it."""
        (found,) = json.loads(self.engine.do("podman", "inspect", self.container))
        return dict(found)

    # ------------------------------------------------------------ HTTP

    def probe(self, kind: str) -> bool:
        """Whether the container's own probe of this kind succeeds now."""
        path = self.spec["containers"][0][f"{kind}Probe"]["httpGet"]["path"]
        try:
            return bool(get(f"http://127.0.0.1:{self.port}{path}"))
        except OSError:
            return False

    def ask(self, path: str, body: str | None = None) -> bytes:
        """The answer to a request with the server token; a POST where there is a body."""
        return get(f"http://127.0.0.1:{self.port}{path}", TOKEN, body)

    def settled(self, name: str) -> Any:
        """When a job settled, or None. Raises OSError as long as it is unknown."""
        return json.loads(self.ask(f"/api/v1/jobs/{name}"))["job"]["settled_at"]

    # ------------------------------------------------------------ files

    def copy_in(self, name: str, text: str) -> None:
        """Into the queue as `kubectl cp` and `kubectl exec … mv` do it: by the container's own `tar` and user."""
        data = text.encode()
        with TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w") as packed:
                member = tarfile.TarInfo(f".{name}.tmp")
                member.size = len(data)
                packed.addfile(member, io.BytesIO(data))
            archive.seek(0)
            inside = ("exec", "-i", self.container)
            self.engine.do("podman", *inside, "tar", "-xmf", "-", "-C", INCOMING, stdin=archive)
        self.engine.do("podman", *inside, "mv", f"{INCOMING}/.{name}.tmp", f"{INCOMING}/{name}")


@contextmanager
def beside_a_platform(pod: Pod) -> Iterator[Pod]:
    """Simulate a platform where the pod expects its own; the pod is removed at the end."""
    program = Path(sys.executable).parent / "orchestrator"
    with running(pod.folder, program, "simulator", "--port", str(pod.platform)):
        until(lambda: get(f"http://127.0.0.1:{pod.platform}/ica/rest/_simulator/knobs"))
        try:
            yield pod
        finally:
            pod.remove()


def links(name: str, *ids: str) -> str:
    """A queue file with one linking job."""
    given = {"name": name, "kind": "ica.data_linking", "account": "ica", "project": PROJECT}
    return json.dumps({"version": 1, "jobs": [{**given, "items": [{"dataId": each} for each in ids]}]})
