#!/usr/bin/env python3
"""Checks the container recipe, the unit and the Kubernetes manifests against the programs they name.

    manifests_test.py AERIE AERIECTL SOURCES PROGRAMS FOLDER     (PROGRAMS: where kubectl and promtool may be)

Prints one line per test and `N passed, N failed`; exits 77 when there is no YAML reader.
"""
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import traceback

try:
    import yaml
except ImportError:
    print("manifests_test: python3-yaml is missing: apt install python3-yaml")
    sys.exit(77)

AERIE, AERIECTL = sys.argv[1], sys.argv[2]
SOURCES, PROGRAMS, FOLDER = (pathlib.Path(word) for word in sys.argv[3:6])
PACKAGING = SOURCES / "packaging"
BASE = PACKAGING / "kubernetes/base"
NAME = "app.kubernetes.io/name"


def run(*command):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)


def program(name: str):
    return str(PROGRAMS / name) if (PROGRAMS / name).exists() else shutil.which(name)


def documents(path: pathlib.Path):
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def base_objects():
    """{(kind, name): object} of the base, as kustomization.yaml lists its files."""
    listed = documents(BASE / "kustomization.yaml")[0]["resources"]
    objects = [one for name in listed for one in documents(BASE / name)]
    return {(one["kind"], one["metadata"]["name"]): one for one in objects}


def known_flags() -> set:
    return set(re.findall(r"^  (?:-\w,)?(--[\w.-]+)", run(AERIE, "--help").stdout, re.MULTILINE))


def check_command(words, default_port: str):
    flags = {}
    for word in words:
        name, _, value = word.partition("=")
        assert name in known_flags(), f"aerie does not know {name}"
        flags[name] = value
    assert flags.get("--web.listen-address", ":" + default_port).endswith(":" + default_port), flags
    # The program's own reading of them: --version last, so that nothing starts.
    done = run(AERIE, *words, "--version")
    assert done.returncode == 0, done.stderr
    return flags


def default_port() -> str:
    return re.search(r"--web\.listen-address ADDRESS=:(\d+)", run(AERIE, "--help").stdout).group(1)


def container():
    spec = base_objects()[("StatefulSet", "aerie")]["spec"]["template"]["spec"]
    assert len(spec["containers"]) == 1
    return spec["containers"][0]


def test_every_yaml_file_parses():
    found = sorted(path for path in PACKAGING.rglob("*") if path.suffix in (".yaml", ".yml"))
    assert len(found) >= 10, found
    for path in found:
        assert documents(path), path


def test_kustomization_lists_every_file():
    listed = documents(BASE / "kustomization.yaml")[0]
    named = set(listed["resources"]) | {name for one in listed["configMapGenerator"] for name in one["files"]}
    assert named == {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}, named
    assert listed["images"][0]["name"] == container()["image"]
    version = re.search(r"^aerie, version (\S+)", run(AERIE, "--version").stdout).group(1)
    assert listed["images"][0]["newTag"] == version, f"the base runs {listed['images'][0]['newTag']}, the sources are {version}"


def test_container_is_started_with_flags_it_knows():
    flags = check_command(container()["args"], default_port())
    mounts = {mount["mountPath"]: mount["name"] for mount in container()["volumeMounts"]}
    assert mounts[flags["--storage.path"]] == "data"
    assert mounts[str(pathlib.PurePath(flags["--config.file"]).parent)] == "config"
    assert pathlib.PurePath(flags["--config.file"]).name in documents(BASE / "kustomization.yaml")[0]["configMapGenerator"][0]["files"]


def test_ports_and_probes_agree():
    port = next(one for one in container()["ports"] if one["name"] == "http")["containerPort"]
    assert str(port) == default_port()
    for name, path in (("startupProbe", "/-/ready"), ("readinessProbe", "/-/ready"), ("livenessProbe", "/-/healthy")):
        assert container()[name]["httpGet"] == {"path": path, "port": "http"}, name
    for (kind, name), one in base_objects().items():
        if kind == "Service":
            assert one["spec"]["ports"] == [{"name": "http", "port": port, "targetPort": "http"}], name
    monitor = base_objects()[("ServiceMonitor", "aerie")]["spec"]
    assert monitor["endpoints"][0]["port"] == "http" and monitor["endpoints"][0]["path"] == "/metrics"


def test_labels_select_what_they_should():
    objects = base_objects()
    stateful = objects[("StatefulSet", "aerie")]["spec"]
    labels = stateful["template"]["metadata"]["labels"]
    assert stateful["selector"]["matchLabels"].items() <= labels.items()
    assert ("Service", stateful["serviceName"]) in objects and objects[("Service", stateful["serviceName"])]["spec"]["clusterIP"] == "None"
    services = {name: one for (kind, name), one in objects.items() if kind == "Service"}
    for name, one in services.items():
        assert one["spec"]["selector"].items() <= labels.items(), name
    assert objects[("NetworkPolicy", "aerie")]["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    wanted = objects[("ServiceMonitor", "aerie")]["spec"]["selector"]["matchLabels"].items()
    chosen = [name for name, one in services.items() if wanted <= one["metadata"]["labels"].items()]
    assert len(chosen) == 1, f"the ServiceMonitor chooses {chosen}: each sample would come once per Service"


def test_container_has_no_rights():
    spec = base_objects()[("StatefulSet", "aerie")]["spec"]["template"]["spec"]
    pod, inner = spec["securityContext"], container()["securityContext"]
    assert pod["runAsNonRoot"] and pod["runAsUser"] == pod["fsGroup"] == 65534 and pod["seccompProfile"]["type"] == "RuntimeDefault"
    assert inner["readOnlyRootFilesystem"] and not inner["allowPrivilegeEscalation"] and inner["capabilities"]["drop"] == ["ALL"]
    assert spec["automountServiceAccountToken"] is False


def test_store_has_one_owner_and_a_volume():
    stateful = base_objects()[("StatefulSet", "aerie")]["spec"]
    assert stateful["replicas"] == 1
    claim = stateful["volumeClaimTemplates"][0]
    assert claim["metadata"]["name"] == "data" and claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert not any(volume["name"] == "data" for volume in stateful["template"]["spec"]["volumes"])


def test_configuration_of_base_and_package_is_accepted():
    folder = FOLDER / "etc"
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCES / "dashboards/rules/aerie.yml", folder / "rules")
    for path in (BASE / "aerie.yml", PACKAGING / "debian/aerie.yml"):
        (folder / "aerie.yml").write_text(path.read_text().replace("/etc/aerie/rules/", "rules/"))
        done = run(AERIECTL, "check", "config", folder / "aerie.yml")
        assert done.returncode == 0, done.stdout + done.stderr


def test_rule_resource():
    resource = base_objects()[("PrometheusRule", "aerie")]["spec"]
    FOLDER.mkdir(parents=True, exist_ok=True)
    plain = FOLDER / "prometheusrule.yml"
    plain.write_text(yaml.safe_dump(resource))
    done = run(AERIECTL, "check", "rules", plain)
    assert done.returncode == 0, done.stdout + done.stderr
    if program("promtool"):
        done = run(program("promtool"), "check", "rules", plain)
        assert done.returncode == 0, done.stdout + done.stderr
    # A metric that aerie does not have would be an alert that never fires.
    sources = "".join(path.read_text() for folder in ("alerting", "server", "store", "ingest", "http", "base", "clusters", "query")
                      for path in (SOURCES / folder).rglob("*.cc"))
    for group in resource["groups"]:
        for rule in group["rules"]:
            for metric in re.findall(r"aerie_\w+", rule["expr"]):
                assert f'"{metric}"' in sources, f"{rule['alert']}: nobody writes {metric}"
            assert rule["labels"]["severity"] and rule["annotations"]["summary"] and rule["annotations"]["description"], rule["alert"]


def test_senders_are_what_aeriectl_prints():
    printed = run(AERIECTL, "gen", "prometheus-operator", "gondor", "--to", "http://aerie.aerie.svc:" + default_port(), "--environment",
                  "prod", "--zone", "eu-1").stdout
    shipped = (PACKAGING / "kubernetes/senders/prometheus-operator.yaml").read_text()
    assert shipped == printed, "write it again: aeriectl gen prometheus-operator gondor --to … (tests/packaging/manifests_test.py)"
    spec = documents(PACKAGING / "kubernetes/senders/kube-prometheus-stack-values.yaml")[0]["prometheus"]["prometheusSpec"]
    assert spec["externalLabels"] == documents(PACKAGING / "kubernetes/senders/prometheus-operator.yaml")[0]["spec"]["externalLabels"]
    service = base_objects()[("Service", "aerie")]
    space = documents(BASE / "kustomization.yaml")[0]["namespace"]
    host = f"{service['metadata']['name']}.{space}.svc:{service['spec']['ports'][0]['port']}"
    assert spec["remoteWrite"][0]["url"] == f"http://{host}/api/v1/write"


def test_reader_may_read_what_aerie_asks_for_and_no_more():
    role = next(one for one in documents(PACKAGING / "kubernetes/senders/read-only-user.yaml") if one["kind"] == "ClusterRole")
    sys.path.insert(0, str(SOURCES / "tests/kubernetes"))
    import cluster  # noqa: E402  (what the matrix on real API servers runs with)
    assert role["rules"] == cluster.READER_ROLE["rules"]
    granted = {resource for rule in role["rules"] for resource in rule["resources"]}
    asked = set(re.findall(r'"/api(?:s/apps)?/v1/(\w+)"', (SOURCES / "clusters/kubernetes/cluster_state.cc").read_text()))
    assert granted == asked, (granted, asked)


def test_kustomize_builds_the_base():
    if not program("kubectl"):
        print("      no kubectl: kustomize was not run")
        return
    done = run(program("kubectl"), "kustomize", BASE)
    assert done.returncode == 0, done.stderr
    built = [one for one in yaml.safe_load_all(done.stdout) if one]
    kinds = sorted(one["kind"] for one in built)
    assert kinds == ["ConfigMap", "Namespace", "NetworkPolicy", "PrometheusRule", "Service", "Service", "ServiceMonitor",
                     "StatefulSet"], kinds
    stateful = next(one for one in built if one["kind"] == "StatefulSet")
    config = next(one for one in built if one["kind"] == "ConfigMap")["metadata"]["name"]
    volumes = stateful["spec"]["template"]["spec"]["volumes"]
    assert next(volume for volume in volumes if volume["name"] == "config")["configMap"]["name"] == config, "the hash of the ConfigMap"
    assert stateful["spec"]["template"]["spec"]["containers"][0]["image"].startswith("registry.example.com/aerie:")


def test_container_recipe():
    text = (PACKAGING / "container/Containerfile").read_text().replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    allowed = {"FROM", "COPY", "WORKDIR", "RUN", "USER", "VOLUME", "EXPOSE", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in lines} <= allowed
    last = {word: rest for word, rest in lines}
    assert last["USER"] == "65534:65534" and last["EXPOSE"] == default_port()
    assert yaml.safe_load(last["ENTRYPOINT"]) == ["/usr/bin/aerie"]
    flags = check_command(yaml.safe_load(last["CMD"]), default_port())
    assert flags["--storage.path"] == last["VOLUME"]
    for _, rest in (line for line in lines if line[0] == "RUN"):
        for command in re.findall(r"tools/[\w-]+", rest):
            assert (SOURCES / command).exists(), command


def test_unit_is_started_with_flags_it_knows():
    unit = (PACKAGING / "systemd/aerie.service").read_text()
    command = shlex.split(re.search(r"^ExecStart=(.*)$", unit, re.MULTILINE).group(1).replace("$ARGS", ""))
    assert command[0] == "/usr/bin/aerie"
    check_command([word for word in command[1:] if word], default_port())
    user = (PACKAGING / "systemd/sysusers.conf").read_text().split()
    assert user[1] == re.search(r"^User=(.*)$", unit, re.MULTILINE).group(1)


def main() -> int:
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_"):
            continue
        try:
            test()
            passed += 1
            print(f"ok    {name[5:].replace('_', ' ')}", flush=True)
        except Exception:  # noqa: BLE001
            failed += 1
            print(f"FAIL  {name[5:].replace('_', ' ')}\n{traceback.format_exc()}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
