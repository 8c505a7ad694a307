"""packaging/: what operators install is right by the tools of those who run it, and by this server."""
import json
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.request

import kubernetes_validate
import pytest
import yaml
from conftest import ROOT, Server
from prometheus_client.parser import text_string_to_metric_families

PACKAGING = ROOT / "packaging"
MONITORING = PACKAGING / "monitoring"
#: Labels that Prometheus adds when it scrapes.
SCRAPED = {"instance", "job", "namespace", "pod"}


def manifests():
    for name in yaml.safe_load((PACKAGING / "kubernetes/kustomization.yaml").read_text())["resources"]:
        yield from yaml.safe_load_all((PACKAGING / "kubernetes" / name).read_text())


def of_kind(kind):
    (found,) = [manifest for manifest in manifests() if manifest["kind"] == kind]
    return found


@pytest.fixture(scope="module")
def samples(server):
    """Names of the time series of a server that has been used, each with its labels."""
    session = server.request("POST", "/v1/sessions", {"prompt": "a red circle", "frames": 9})
    with urllib.request.urlopen(f"{server.url}/v1/sessions/{session['id']}/video.mp4", timeout=120) as answer:
        answer.read()
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def expressions():
    """Every PromQL expression that is shipped, with the labels that its legend or its message shows."""
    for panel in json.loads((MONITORING / "grafana.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"], set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    for group in yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"], set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
    for rule in yaml.safe_load((MONITORING / "prometheus-adapter.yaml").read_text())["rules"]["custom"]:
        yield rule["seriesQuery"], set()
    for metric in of_kind("HorizontalPodAutoscaler")["spec"]["metrics"]:
        yield metric["pods"]["metric"]["name"], set()


def test_every_metric_and_label_that_a_panel_or_an_alert_names_is_served(samples):
    expressions_seen = 0
    for expression, shown in expressions():
        names = set(re.findall(r"\b(?:rushes|process)_\w+(?=\W|$)", re.sub(r'"[^"]*"', '""', expression)))
        assert names or "up{" in expression, expression
        assert names <= set(samples), f"{expression}: /metrics has no {names - set(samples)}"
        of_metrics = set().union(*(samples[name] for name in names))
        matched = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)\s*\"", expression))
        grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", expression))))
        unknown = (matched | grouped | shown) - of_metrics - SCRAPED
        assert not unknown, f"{expression}: {names} have no label {unknown}"
        expressions_seen += 1
    assert expressions_seen > 30


def test_panels_have_an_identity_and_a_place_of_their_own():
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places and at["x"] + at["w"] <= 24, panel["title"]
        places |= cells


@pytest.mark.parametrize("version", ["1.27", "1.37"])
def test_the_manifests_keep_the_schemas_of_kubernetes(version):
    kinds = [manifest["kind"] for manifest in manifests()]
    assert sorted(kinds) == ["ConfigMap", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service", "Service", "StatefulSet"]
    for manifest in manifests():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_a_wrong_manifest_is_found():
    manifest = of_kind("StatefulSet")
    manifest["spec"]["template"]["spec"]["containers"][0]["readinessProb"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="readinessProb"):
        kubernetes_validate.validate(manifest, "1.37", strict=True)


def test_services_autoscaler_and_pods_name_each_other():
    pods = of_kind("StatefulSet")["spec"]
    labels = pods["template"]["metadata"]["labels"]
    services = {manifest["metadata"]["name"]: manifest["spec"] for manifest in manifests() if manifest["kind"] == "Service"}
    assert pods["serviceName"] in services
    for selector in [pods["selector"]["matchLabels"], of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
                     *(service["selector"] for service in services.values())]:
        assert selector.items() <= labels.items()
    (container,) = pods["template"]["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    assert {port["targetPort"] for service in services.values() for port in service["ports"]} <= ports
    assert {container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} <= ports
    volumes = {volume["name"] for volume in pods["template"]["spec"]["volumes"]} | {claim["metadata"]["name"] for claim in pods["volumeClaimTemplates"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    target = of_kind("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("StatefulSet", of_kind("StatefulSet")["metadata"]["name"])


def test_a_pod_has_time_to_drain():
    settings = yaml.safe_load(of_kind("ConfigMap")["data"]["rushes.yaml"])
    pod = of_kind("StatefulSet")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    before = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert before + settings["drain-timeout"] < pod["terminationGracePeriodSeconds"]
    unit = (PACKAGING / "debian/rushes.service").read_text()
    settings = yaml.safe_load((PACKAGING / "debian/rushes.yaml").read_text())
    assert settings["drain-timeout"] < int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1])


def test_the_settings_of_a_pod_are_taken_and_its_probes_need_no_token(binary, tmp_path):
    text = of_kind("ConfigMap")["data"]["rushes.yaml"]
    # The places of the volumes; the port is chosen by Server.
    text = text.replace("/var/lib/rushes", str(tmp_path)).replace("/etc/rushes-tokens", str(tmp_path))
    (tmp_path / "tokens").write_text("secret\n")
    (tmp_path / "rushes.yaml").write_text(text)
    server = Server(binary, tmp_path / "recordings", "--config", str(tmp_path / "rushes.yaml"))
    try:
        (container,) = of_kind("StatefulSet")["spec"]["template"]["spec"]["containers"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            status, _ = server.answer("GET", container[probe]["httpGet"]["path"], headers={"Host": "10.0.0.7:8000"})
            assert status == 200, probe
        assert server.answer("GET", "/v1/sessions")[0] == 401
        assert server.answer("GET", "/v1/sessions", headers={"Host": "10.0.0.7", "Authorization": "Bearer secret"})[0] == 200
    finally:
        server.stop()


def test_the_unit_exposes_little():
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    unit = PACKAGING / "debian/rushes.service"
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=29", "--no-pager", unit], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert float(re.search(r"exposure level for rushes\.service: ([\d.]+)", done.stdout)[1]) < 3


def test_hadolint_has_nothing_to_say_of_the_dockerfile():
    hadolint = pathlib.Path(sys.executable).parent / "hadolint"
    done = subprocess.run([hadolint, PACKAGING / "docker/Dockerfile"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_image_and_the_pods_have_the_same_user():
    user = str(of_kind("StatefulSet")["spec"]["template"]["spec"]["securityContext"]["runAsUser"])
    dockerfile = (PACKAGING / "docker/Dockerfile").read_text()
    assert f"--uid {user} " in dockerfile and f"USER {user}:{user}\n" in dockerfile


def test_the_manual_names_every_command(binary):
    told = subprocess.run([binary, "--help"], capture_output=True, text=True, check=True, timeout=60).stdout
    commands = re.findall(r"^  (\w+) ", told.partition("Subcommands:")[2], re.MULTILINE)
    manual = (PACKAGING / "debian/rushes.1").read_text()
    assert len(commands) > 10
    assert set(commands) == set(re.findall(r"^\.It Cm (\w+)$", manual, re.MULTILINE))
