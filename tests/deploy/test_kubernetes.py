"""The manifests: valid for three versions of Kubernetes, sound by a linter, and in agreement with the rest."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path

import pytest
import yaml
from tools import ROOT, run, tool

from orchestrator.settings import load
from orchestrator.web.guard import PROBES

pytestmark = pytest.mark.xdist_group("manifests")

FOLDER = ROOT / "deploy/kubernetes"
OVERLAYS = ("sqlite", "postgres", "job")
VERSIONS = ("1.29", "1.31", "1.34")
DELIBERATE = "CKV_K8S_11,CKV_K8S_43,CKV_K8S_15"
"""No CPU limit (it only slows down), a tag in place of a digest, and no forced pull: the operator's own choice."""
STOP_TAKES = 10
"""Seconds."""


@cache
def rendered(overlay):
    """All that `kubectl apply -k` would send, as text."""
    seen = run(tool("kubectl"), "kustomize", FOLDER / "overlays" / overlay)
    assert seen.returncode == 0, seen.stderr
    return seen.stdout


def documents(overlay):
    """The same by kind; there is one of each."""
    found = list(yaml.safe_load_all(rendered(overlay)))
    assert len({each["kind"] for each in found}) == len(found)
    return {each["kind"]: each for each in found}


def pod(overlay):
    """The spec of the pod that runs the daemon."""
    found = documents(overlay)
    return (found.get("StatefulSet") or found["Job"])["spec"]["template"]["spec"]


def containers(spec):
    """Init containers too."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def validated(text, tmp_path, version):
    """What kubernetes-validate says of it; a resource without a schema only gives a warning there."""
    (tmp_path / "all.yaml").write_text(text)
    seen = run(tool("kubernetes-validate"), "--strict", "--quiet", "-k", version, tmp_path / "all.yaml")
    return seen.returncode, seen.stdout + seen.stderr


# ---------------------------------------------------------------- by other people's tools


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_are_valid(overlay, version, tmp_path):
    """Every field is known to that version, and every resource has a schema."""
    assert validated(rendered(overlay), tmp_path, version) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("enableServiceLinks", "enableServiceLink"),
        ("apiVersion: apps/v1", "apiVersion: apps/v1beta1"),
        ("replicas: 1", "replicas: one"),
    ],
)
def test_mistakes_in_manifests_would_be_seen(right, wrong, tmp_path):
    """A misspelt field, a version that is gone, a wrong type."""
    text = rendered("sqlite")
    assert right in text
    assert validated(text.replace(right, wrong, 1), tmp_path, VERSIONS[1]) != (0, "")


@pytest.fixture(scope="module")
def violated(tmp_path_factory):
    """The checks that checkov finds violated, by file: all overlays, and one that was weakened; it starts slowly."""
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "ours.yaml").write_text("\n---\n".join(rendered(overlay) for overlay in OVERLAYS))
    weak = rendered("sqlite").replace("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false")
    (folder / "weak.yaml").write_text(weak)
    seen = run(
        tool("checkov"), "-d", folder, "--framework", "kubernetes", "--quiet", "-o", "json", "--skip-download",
        "--skip-check", DELIBERATE,
    )  # fmt: skip
    found = json.loads(seen.stdout)
    assert (seen.returncode, found["summary"]["parsing_errors"]) == (1, 0)
    failed = [(Path(each["file_path"]).name, each["check_id"]) for each in found["results"]["failed_checks"]]
    return {name: {check for file, check in failed if file == name} for name in ("ours.yaml", "weak.yaml")}


def test_a_policy_linter_has_nothing_against_them(violated):
    """Beyond what is deliberate."""
    assert violated["ours.yaml"] == set()


def test_a_weak_manifest_would_be_seen(violated):
    """The linter can fail."""
    assert violated["weak.yaml"] == {"CKV_K8S_22"}


@pytest.mark.parametrize("component", ["servicemonitor", "prometheusrule"])
def test_components_can_be_added(component, tmp_path):
    """To an overlay, by the lines that it shows."""
    overlay = FOLDER / "overlays/sqlite/kustomization.yaml"
    assert f"../../components/{component}" in overlay.read_text()
    copy = tmp_path / "kubernetes"
    subprocess.run(["cp", "-r", FOLDER, copy], check=True)
    with (copy / "overlays/sqlite/kustomization.yaml").open("a") as file:
        file.write(f"components: [../../components/{component}]\n")
    seen = run(tool("kubectl"), "kustomize", copy / "overlays/sqlite")
    assert seen.returncode == 0, seen.stderr
    kinds = {"servicemonitor": "ServiceMonitor", "prometheusrule": "PrometheusRule"}
    assert kinds[component] in {each["kind"] for each in yaml.safe_load_all(seen.stdout)}


# ---------------------------------------------------------------- in agreement with the rest


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_are_restricted(overlay):
    """As the pod security standard of that name asks, with a read-only root besides."""
    spec = pod(overlay)
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == 10001
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    for container in containers(spec):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    labels = documents(overlay)["Namespace"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", ["sqlite", "postgres"])
def test_there_is_one_daemon_for_one_state(overlay):
    """A StatefulSet of one replica, whose pod ends before the next begins."""
    spec = documents(overlay)["StatefulSet"]["spec"]
    assert spec["replicas"] == 1
    assert len(spec["volumeClaimTemplates"]) == 1


def unit_value(key):
    """What the systemd unit says, in seconds or as it stands."""
    (value,) = re.findall(rf"^{key}=(.*)$", (ROOT / "deploy/systemd/orchestrator.service").read_text(), re.MULTILINE)
    found = re.fullmatch(r"(\d+)(s|min)", value)
    return int(found[1]) * {"s": 1, "min": 60}[found[2]] if found else value


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_times_and_sizes_agree_with_the_systemd_unit(overlay):
    """Start, hang, stop and memory: one set of figures in both places, and a stop fits in."""
    spec = pod(overlay)
    main = spec["containers"][0]
    assert spec["terminationGracePeriodSeconds"] == unit_value("TimeoutStopSec") > STOP_TAKES
    assert main["resources"]["limits"]["memory"].rstrip("i") == unit_value("MemoryMax")
    live = main["livenessProbe"]
    assert live["periodSeconds"] * live["failureThreshold"] == unit_value("WatchdogSec")
    if overlay != "job":
        start = main["startupProbe"]
        assert start["periodSeconds"] * start["failureThreshold"] == unit_value("TimeoutStartSec")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_probes_ask_what_the_daemon_answers(overlay):
    """On the port that the configuration listens on; a restart never follows from /readyz."""
    main = pod(overlay)["containers"][0]
    probes = {key: probe["httpGet"] for key, probe in main.items() if key.endswith("Probe")}
    assert {get["path"] for get in probes.values()} == PROBES
    assert {get["path"] for key, get in probes.items() if key != "readinessProbe"} == {"/livez"}
    (port,) = [port for port in main["ports"] if port["name"] == "http"]
    config = yaml.safe_load(documents(overlay)["ConfigMap"]["data"]["config.yaml"])
    assert config["server"]["listen"] == f"0.0.0.0:{port['containerPort']}"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_configuration_is_one_that_the_program_takes(overlay, tmp_path):
    """With the files that the Secret holds, and every path on a volume of the pod."""
    spec = pod(overlay)
    mounts = [mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]]
    text = documents(overlay)["ConfigMap"]["data"]["config.yaml"]
    paths = set(re.findall(r"(?<=[ /])/(?:var|run|etc)/[\w/.-]+", text))
    assert paths
    assert all(any(path.startswith(f"{mount}/") or path == mount for mount in mounts) for path in paths)
    for name in ("ica_api_key", "server_token"):
        (tmp_path / name).write_text("secret-of-the-test")
    config = tmp_path / "config.yaml"
    config.write_text(text.replace("/run/secrets/orchestrator", str(tmp_path)))
    environment = {each["name"]: each["value"] for each in spec["containers"][0].get("env", [])}
    settings = load(config, environment)
    assert (settings.database.path is None) == (overlay == "postgres")
    assert (settings.backup is not None) == (overlay == "sqlite")


def test_the_schema_of_a_server_is_upgraded_first():
    """By an init container with the same image and the same mounts."""
    spec = pod("postgres")
    (init,) = spec["initContainers"]
    main = spec["containers"][0]
    assert init["args"] == ["db", "upgrade"]
    assert all(init[key] == main[key] for key in ("image", "volumeMounts", "securityContext", "env"))
    ports = {
        each["port"] for rule in documents("postgres")["NetworkPolicy"]["spec"]["egress"] for each in rule["ports"]
    }
    assert 5432 in ports


def test_the_job_runs_until_idle_and_does_not_repeat_what_repeating_does_not_change():
    """A local error, wrong configuration, and a refused credential end it."""
    spec = documents("job")["Job"]["spec"]
    assert spec["template"]["spec"]["containers"][0]["args"] == ["run", "--until-idle"]
    assert spec["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"] == [1, 2, 4]


def test_metrics_are_scraped_with_the_token():
    """Which lies in the Secret under the name that the configuration reads."""
    monitor = yaml.safe_load((FOLDER / "components/servicemonitor/servicemonitor.yaml").read_text())
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "orchestrator", "key": "server_token"}
    assert endpoint["path"] == "/metrics"
    config = yaml.safe_load(documents("sqlite")["ConfigMap"]["data"]["config.yaml"])
    assert config["server"]["token_file"] == "/run/secrets/orchestrator/server_token"
    secret = next(volume for volume in pod("sqlite")["volumes"] if volume["name"] == "secrets")["secret"]
    assert secret["secretName"] == "orchestrator"
