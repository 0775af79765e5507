#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Write the software bill of materials (CycloneDX 1.5, JSON): everything that a wheel, a Debian package or a container carries.

    tools/sbom.py [--modules FOLDER] [--wheel WHEEL] [OUT]

Python packages are those that softfax and its extras need, in the versions that the tests run with (requirements*.txt);
with --modules those that are in a folder. Native parts are PJSIP and spandsp as tools/native.py builds them, and the libraries
that a wheel carries (--wheel), by their Debian packages. Two runs over the same make the same file.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tomllib
import uuid
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import native

ROOT = Path(__file__).resolve().parent.parent
LICENCES = {"pjsip": "GPL-2.0-or-later", "spandsp": "LGPL-2.1-only"}
#: As THIRD-PARTY.md says; the page's libraries say their versions in vendor/README.md.
VENDORED = {"preact": "MIT", "htm": "Apache-2.0"}
FONTS = "2.37"
#: Debian packages that every system has, and no wheel carries.
OF_THE_SYSTEM = {"libc6", "libgcc-s1", "libstdc++6", "libpython3.11"}


def locked() -> dict[str, str]:
    """Version of each Python package in requirements.txt and requirements-dev.txt."""
    texts = [(ROOT / name).read_text() for name in ("requirements.txt", "requirements-dev.txt")]
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==(\S+)$", "\n".join(texts), re.M)
    return {canonicalize_name(name): version for name, version in pinned}


def project() -> dict[str, Any]:
    """[project] of pyproject.toml."""
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def version() -> str:
    """The version of softfax."""
    match = re.search(r'__version__ = "(.*)"', (ROOT / "src/softfax/_version.py").read_text())
    assert match is not None
    return match[1]


def needed() -> dict[str, set[str]]:
    """Python packages that softfax needs at run time with all extras, and which others each of them needs."""
    wanted = project()
    roots = [*wanted["dependencies"], *(one for extra in wanted["optional-dependencies"].values() for one in extra)]
    graph: dict[str, set[str]] = {"softfax": set()}
    waiting = [("softfax", Requirement(text)) for text in roots]
    done: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        parent, requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        graph[parent].add(name)
        graph.setdefault(name, set())
        state = (name, frozenset(requirement.extras))
        if state in done:
            continue
        done.add(state)
        for text in metadata.requires(name) or ():
            inner = Requirement(text)
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in ("", *requirement.extras)
            ):
                waiting.append((name, inner))
    return graph


def python_parts(modules: Path | None) -> tuple[list[dict[str, Any]], dict[str, set[str]]]:
    """Components of Python, and what needs what."""
    if modules is not None:
        found = {canonicalize_name(d.metadata["Name"]): d.version for d in metadata.distributions(path=[str(modules)])}
        return [python(name, found[name]) for name in sorted(found) if name != "softfax"], {}
    graph, versions = needed(), locked()
    return [python(name, versions[name]) for name in sorted(graph) if name != "softfax"], graph


def python(name: str, of: str) -> dict[str, Any]:
    """A Python package."""
    return component(name, of, f"pkg:pypi/{name}@{of}")


def component(name: str, of: str, purl: str, licence: str = "", **more: Any) -> dict[str, Any]:
    """A component, its package URL being its reference."""
    said = {"licenses": [{"expression": licence}]} if licence else {}
    return {"type": "library", "bom-ref": purl, "name": name, "version": of, "purl": purl, **said, **more}


def native_parts(wheel: Path | None) -> list[dict[str, Any]]:
    """PJSIP and spandsp, linked statically, the libraries beside them, and what the page and the fonts carry."""
    parts = [
        component(
            library.title, library.version, f"pkg:generic/{library.name}@{library.version}", LICENCES[library.name],
            hashes=[{"alg": "SHA-256", "content": library.upstream_sha256}],
            externalReferences=[{"type": "distribution", "url": library.upstream}],
        )
        for library in native.LIBRARIES.values()
    ]  # fmt: skip
    vendor = (ROOT / "src/softfax/web/static/vendor/README.md").read_text()
    for name, licence in VENDORED.items():
        match = re.search(rf"npm {name} ([\d.]+)", vendor)
        assert match is not None, f"vendor/README.md names no version of {name}"
        parts.append(component(name, match[1], f"pkg:npm/{name}@{match[1]}", licence))
    parts.append(component("dejavu-fonts", FONTS, f"pkg:generic/dejavu-fonts@{FONTS}", type="data"))
    return parts + [debian(package) for package in sorted(bundled_packages(wheel))]


def bundled_packages(wheel: Path | None) -> set[str]:
    """Debian packages of the libraries in a wheel; of a tree that is only built, those that it is linked with."""
    from wheel_licences import library_path, package_of

    if wheel is not None:
        with zipfile.ZipFile(wheel) as archive:
            names = [Path(n).name for n in archive.namelist() if n.startswith("softfax.libs/") and not n.endswith("/")]
        return {package_of(library_path(name)) for name in names}
    built = sorted((ROOT / "src/softfax/_native").glob("*.so"))
    linked = [subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout for path in built]
    paths = {Path(found) for text in linked for found in re.findall(r"=> (/\S+)", text)}
    return {package_of(path) for path in paths if ROOT not in path.parents} - OF_THE_SYSTEM


def debian(package: str) -> dict[str, Any]:
    """A Debian package of this machine."""
    query = ["dpkg-query", "-W", "-f", "${Version} ${Architecture} ${source:Package}", package]
    of, architecture, source = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split(" ")
    name = package.partition(":")[0]
    return component(
        name, of, f"pkg:deb/debian/{name}@{of.replace(':', '%3A')}?arch={architecture}", description=source
    )


def bill(modules: Path | None = None, wheel: Path | None = None) -> dict[str, Any]:
    """The whole bill."""
    parts, graph = python_parts(modules)
    parts += native_parts(wheel)
    own = f"pkg:pypi/softfax@{version()}"
    reference = {part["name"]: part["bom-ref"] for part in parts} | {"softfax": own}
    carried = {part["bom-ref"] for part in parts if not part["purl"].startswith("pkg:pypi/")}
    depends = [
        _edge(reference[name], (reference[one] for one in needs))
        for name, needs in sorted(graph.items())
        if name != "softfax"
    ]
    root = _edge(
        own, carried | ({reference[one] for one in graph["softfax"]} if graph else {p["bom-ref"] for p in parts})
    )
    body = {
        "metadata": {
            "component": {**component("softfax", version(), own, "GPL-2.0-or-later"), "type": "application"},
            "tools": {"components": [{"type": "application", "name": "tools/sbom.py", "version": version()}]},
        },
        "components": parts,
        "dependencies": [root, *depends],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1}
    return {"$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", **head, **body}


def _edge(of: str, on: Iterable[str]) -> dict[str, Any]:
    return {"ref": of, "dependsOn": sorted(on)}


def main(arguments: list[str] | None = None) -> int:
    """Write it to OUT, or to standard output."""
    parser = argparse.ArgumentParser(description="Write the software bill of materials (CycloneDX).")
    parser.add_argument("--modules", type=Path, help="folder of installed Python packages, as of a Debian package")
    parser.add_argument("--wheel", type=Path, help="wheel whose libraries count")
    parser.add_argument("out", nargs="?", type=Path)
    options = parser.parse_args(arguments)
    text = json.dumps(bill(options.modules, options.wheel), indent=1, ensure_ascii=False) + "\n"
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
