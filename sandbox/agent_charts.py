"""Versions of the stand-in agent chart beside each other, one folder each: for a reference with ``{version}``."""

import re
import shutil
from pathlib import Path

import yaml

from sandbox.platform import BROKEN, CHARTS, NEVER_READY

FOLDER = "agent-charts"

_SAID = re.compile(r"(?P<version>\d+\.\d+\.\d+)( (?P<broken>broken)| (?P<name>[A-Z_]+)=(?P<value>[A-Za-z0-9_.-]+))?")
_BEFORE = "          envFrom:\n"


def lay_out(world: Path, said: str) -> None:
    """Write a version anew: ``1.1.0``, ``1.1.0 broken``, or with a variable, ``1.1.0 GRACE_S=30``.

    Raises: ValueError.
    """
    words = _SAID.fullmatch(said.strip())
    if words is None:
        raise ValueError(f"agent_chart: {said!r}: write it as in 1.1.0, 1.1.0 broken or 1.1.0 GRACE_S=30")
    chart = world / FOLDER / words["version"]
    shutil.rmtree(chart, ignore_errors=True)
    shutil.copytree(CHARTS / "clearml-enterprise-agent", chart)
    described = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump(described | {"version": words["version"]}))
    if words["broken"]:
        (chart / "templates" / BROKEN).write_text(NEVER_READY)
    elif words["name"]:
        template = chart / "templates" / "deployment.yaml"
        variable = f'            - name: {words["name"]}\n              value: "{words["value"]}"\n'
        template.write_text(template.read_text().replace(_BEFORE, variable + _BEFORE))
