# SPDX-License-Identifier: GPL-2.0-or-later
"""The bill of materials names everything that is shipped, in the versions that are tested."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from softfax._version import __version__

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def sbom(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import sbom

    yield sbom
    for name in ("sbom", "native", "wheel_licences"):
        sys.modules.pop(name, None)


def test_it_names_what_is_shipped(sbom: Any) -> None:
    found = sbom.bill()
    versions = {part["name"]: part["version"] for part in found["components"]}
    assert versions["PJSIP"] == "2.17"
    assert versions["spandsp"] == "0.0.6"
    # Debian 13 has libssl3t64.
    assert {"libtiff6", "preact", "htm", "dejavu-fonts"} <= set(versions)
    assert {"libssl3", "libssl3t64"} & set(versions)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    direct = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    pins = "\n".join((ROOT / name).read_text() for name in ("requirements.txt", "requirements-dev.txt"))
    locked = dict(re.findall(r"^(\S+)==(\S+)$", pins, re.M))
    for text in direct:
        name = re.match(r"[A-Za-z0-9-]+", text)[0].lower()  # type: ignore[index]
        assert versions[name] == locked[name]
    # What only tests need is not shipped.
    assert not set(versions) & {"pytest", "hypothesis", "ruff", "mypy"}


def test_it_is_cyclonedx(sbom: Any) -> None:
    found = sbom.bill()
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    assert found["metadata"]["component"]["version"] == __version__
    references = [part["bom-ref"] for part in found["components"]]
    assert len(references) == len(set(references))
    assert all(re.fullmatch(r"pkg:(pypi|deb|npm|generic)/\S+@\S+", part["purl"]) for part in found["components"])
    known = {*references, found["metadata"]["component"]["bom-ref"]}
    for edge in found["dependencies"]:
        assert {edge["ref"], *edge["dependsOn"]} <= known
    # The same of the same, so that a build can be made again.
    assert json.dumps(sbom.bill()) == json.dumps(found)


def test_it_names_what_is_in_a_folder(sbom: Any, tmp_path: Path) -> None:
    for name, version in (("h11", "0.1"), ("softfax", __version__)):
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    found = sbom.bill(tmp_path)
    assert [p["purl"] for p in found["components"] if p["purl"].startswith("pkg:pypi/")] == ["pkg:pypi/h11@0.1"]
