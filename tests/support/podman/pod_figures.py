"""Measure the `sqlite` overlay's pod: size of the image, start, memory and CPU at rest and over a run of many items.

As root, after `DEPLOY_STORAGE=FOLDER make test-deploy`:
`DEPLOY_STORAGE=FOLDER PYTHONPATH=tests/support:tests/support/podman python tests/support/podman/pod_figures.py ITEMS`.
"""

# ruff: noqa: T201 - a script that prints figures
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from containers import IMAGE, Engine
from pods import USER, Pod, beside_a_platform, links
from processes import until

REST = 120.0
"""Seconds at rest over which the use of the CPU is averaged."""
_MB = 1e6


def image(engine: Engine, folder: Path) -> None:
    """Its size as an archive and unpacked, and the largest parts."""
    archive = folder / "image.tar"
    engine.do("buildah", "push", "-q", IMAGE, f"oci-archive:{archive}")
    (found,) = json.loads(engine.do("podman", "image", "inspect", IMAGE))
    print(f"archive {archive.stat().st_size / _MB:.0f} MB, unpacked {found['Size'] / _MB:.0f} MB")
    container = engine.do("buildah", "from", "--pull-never", IMAGE)
    root = Path(engine.do("buildah", "mount", container))
    packages = [path for path in root.glob("opt/orchestrator/lib/python3*/site-packages/*") if path.is_dir()]
    system = [path for place in ("usr/lib/*", "usr/bin", "usr/share/*", "etc", "var") for path in root.glob(place)]
    parts = {path.relative_to(root): _size(path) for path in (*packages, *system) if path.is_dir()}
    for path, size in sorted(parts.items(), key=lambda part: part[1], reverse=True)[:8]:
        print(f"  {size / _MB:5.1f} MB {path}")
    engine.do("buildah", "umount", container)
    engine.do("buildah", "rm", container)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


class Watch:
    """CPU time and memory of the daemon in the container."""

    def __init__(self, pod: Pod) -> None:
        self._process = Path(f"/proc/{pod.inspect()['State']['Pid']}")

    def cpu_seconds(self) -> float:
        """CPU time since its start."""
        fields = (self._process / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self, field: str) -> float:
        """MB of memory: `VmRSS` now, `VmHWM` at most."""
        lines = (self._process / "status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / _MB for line in lines if line.startswith(f"{field}:"))


def measure(pod: Pod, items: int) -> None:
    """One pod, from its start over rest and a run to its stop."""
    begin = _now()
    pod.start()
    created = _now()
    until(lambda: pod.probe("readiness"))
    print(f"ready {_now() - created:.1f} s after `podman play kube`, which took {created - begin:.1f} s")
    watch = Watch(pod)
    print(f"  {watch.cpu_seconds():.1f} s of CPU until then, {watch.resident('VmRSS'):.0f} MB")
    before = watch.cpu_seconds()
    time.sleep(REST)
    print(f"at rest {(watch.cpu_seconds() - before) / REST * 1000:.1f} m of CPU, {watch.resident('VmRSS'):.0f} MB")
    before, begin = watch.cpu_seconds(), _now()
    draft = pod.folder / "data/queue/incoming/.large.json.tmp"
    draft.write_text(links("large", *(f"fil.{number:032x}" for number in range(items))))
    os.chown(draft, USER, USER)
    draft.rename(draft.with_name("large.json"))
    until((pod.folder / "data/queue/results/large.json").exists, patience=1800)
    took, spent = _now() - begin, watch.cpu_seconds() - before
    print(f"{items} items in {took:.0f} s, {spent:.0f} s of CPU, {watch.resident('VmHWM'):.0f} MB at most")
    print(f"exit code {pod.stop()}")


def _now() -> float:
    return time.monotonic()  # noqa: TID251 - a container runs by the machine's clock


def main() -> None:
    """Measure with the storage of `make test-deploy`."""
    engine = Engine(Path(os.environ["DEPLOY_STORAGE"]))
    if engine.call("podman", "image", "exists", IMAGE).returncode != 0:
        engine.build()
    with tempfile.TemporaryDirectory() as name:
        image(engine, Path(name))
        with beside_a_platform(Pod(engine, Path(name) / "pod", "sqlite")) as pod:
            measure(pod, int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)


if __name__ == "__main__":
    main()
