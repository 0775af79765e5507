# SPDX-License-Identifier: GPL-2.0-or-later
"""The files shipped for a group of stations hold together: the chart renders to what Kubernetes takes, its configurations are right,
Compose's services find each other, and the dashboard asks for metrics that there are."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import jsonschema_rs
import pytest
import yaml

from softfax.station.config import StationConfig
from tests.support.background import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
CHART = DEPLOY / "helm"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SECRET = {"DATABASE_URL": "postgresql://softfax@db/softfax", "HTTP_TOKEN": "0123456789abcdef"}


def rendered(name: str) -> list[dict[str, Any]]:
    """The objects of a template; of Helm's language it may use what is here."""

    def value(match: re.Match[str]) -> str:
        words = match[1].split("|")
        found: Any = {"Values": VALUES, "Release": {"Name": "fax"}}
        for key in words[0].strip().lstrip(".$").split("."):
            found = found[key]
        return "\n".join("    " + line for line in str(found).split("\n")) if "indent" in match[1] else str(found)

    text = (CHART / "templates" / name).read_text()
    loop = re.compile(r"\{\{ range until \(int \.Values\.replicas\) \}\}(.*?)\{\{ end \}\}")
    text = loop.sub(lambda m: "".join(m[1].replace("{{ . }}", str(n)) for n in range(VALUES["replicas"])), text)
    return [one for one in yaml.safe_load_all(re.sub(r"\{\{ *(.*?) *\}\}", value, text)) if one]


def objects(kind: str, name: str = "stations.yaml") -> list[dict[str, Any]]:
    return [one for one in rendered(name) if one["kind"] == kind]


def test_values_are_what_the_chart_takes() -> None:
    schema = jsonschema_rs.validator_for(json.loads((CHART / "values.schema.json").read_text()))
    schema.validate(VALUES)
    assert not schema.is_valid({**VALUES, "documents": "file:///tmp"}), "nodes share no folder"
    assert not schema.is_valid({**VALUES, "replica": 3})


@pytest.mark.parametrize("name", ["stations.yaml", "edge.yaml"])
def test_objects_are_whole(name: str) -> None:
    for one in rendered(name):
        assert {"apiVersion", "kind", "metadata"} <= one.keys()
        assert re.fullmatch(r"fax(-\w+)?", one["metadata"]["name"])
        if "template" in one.get("spec", {}):
            spec = one["spec"]
            assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
            pod = spec["template"]["spec"]
            (container,) = pod["containers"]
            names = {port["name"] for port in container["ports"]}
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                for way in ("httpGet", "tcpSocket"):
                    if way in container.get(probe, {}):
                        assert container[probe][way]["port"] in names
            volumes = {
                v["name"] for v in pod["volumes"] + [c["metadata"] for c in spec.get("volumeClaimTemplates", [])]
            }
            assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_a_station_of_the_chart() -> None:
    (station,) = objects("StatefulSet")
    pod = station["spec"]["template"]["spec"]
    assert pod["hostNetwork"], "media comes at any UDP port"
    assert pod["terminationGracePeriodSeconds"] == VALUES["drainSeconds"]
    (container,) = pod["containers"]
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    sip = {(p["containerPort"], p["protocol"]) for p in container["ports"] if p["name"].startswith("sip")}
    assert sip == {(VALUES["sipPort"], "UDP"), (VALUES["sipPort"], "TCP")}
    (map_,) = objects("ConfigMap")
    text = map_["data"]["softfax.toml"]
    for key, value in {"ADDRESS": "192.0.2.1", "NAME": "fax-0", **SECRET}.items():
        text = text.replace(f"@{key}@", value)
    assert "@" not in re.sub(r"postgresql://\S+", "", text)
    config = StationConfig.checked(tomllib.loads(text), "softfax.toml")
    assert (config.data.documents, config.data.name) == (VALUES["documents"], "fax-0")
    compile(map_["data"]["start.py"], "start.py", "exec")
    (edge,) = objects("Deployment", "edge.yaml")
    variables = {v["name"]: v.get("value") for v in edge["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert variables["STATIONS"].split() == [f"fax-{n}.fax:{VALUES['sipPort']}" for n in range(VALUES["replicas"])]


def test_compose() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    stations = {name: one for name, one in compose["services"].items() if name.startswith("station-")}
    places = []
    for one in stations.values():
        number = one["environment"]["N"]
        text = (DEPLOY / "group.toml").read_text().replace("@N@", number)
        text = text.replace("@ADDRESS@", "192.0.2.10").replace("@DATABASE_PASSWORD@", "secret")
        config = StationConfig.checked(tomllib.loads(text), "group.toml")
        assert config.data.name == f"station-{number}"
        places.append(config.sip.listen.replace("192.0.2.10", "${ADDRESS}"))
        assert {volume.partition(":")[0] for volume in one["volumes"]} - {"./group.toml"} <= compose["volumes"].keys()
    assert compose["services"]["edge"]["environment"]["STATIONS"].split() == places
    wanted = re.findall(r"^#   (\w+) ", (DEPLOY / "kamailio" / "start.sh").read_text(), re.M)
    assert set(compose["services"]["edge"]["environment"]) <= {*wanted, "TRUNK_USER", "TRUNK_PASSWORD"}


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    told = {path: set(re.findall(r"softfax_\w+", path.read_text())) for path in (DEPLOY / "grafana").glob("*.json")}
    known = set(re.findall(r"softfax_\w+", (DEPLOY / "monitoring" / "softfax.json").read_text()))
    assert told
    assert all(names <= known for names in told.values()), [names - known for names in told.values()]
