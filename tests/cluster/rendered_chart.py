"""The bot's own chart, as the real helm renders it."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from provisioning import tools
from provisioning.configuration import Tools

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy" / "clearml-chatops"
WATCHED: Mapping[str, Any] = {
    "metrics": {
        "serviceMonitor": {"enabled": True},
        "prometheusRule": {"enabled": True},
        "dashboard": {"enabled": True},
    },
    "networkPolicy": {"metricsFromNamespaces": ["monitoring"]},
}


def helm(*words: str, fine: bool = True) -> subprocess.CompletedProcess[str]:
    """Run helm; with *fine* it must succeed."""
    binary = tools.locate(Tools()).helm
    done = subprocess.run([str(binary), *words], capture_output=True, text=True, timeout=120, check=False)
    assert not fine or done.returncode == 0, done.stderr
    return done


def rendered(*words: str) -> list[dict[str, Any]]:
    """Return the objects of the release ``bot`` in the namespace ``ops``."""
    text = helm("template", "bot", str(CHART), "--namespace=ops", "--set", "existingSecret=tokens", *words).stdout
    return [document for document in yaml.safe_load_all(text) if document]


def watched(kind: str, **changes: Any) -> dict[str, Any]:
    """Return the object of *kind* with which the bot is watched; a ConfigMap is the dashboard.

    *changes* are to the value ``metrics``: ``prometheusRule={"selector": …}``.
    """
    metrics = {name: {**on, **changes.get(name, {})} for name, on in WATCHED["metrics"].items()}
    values = {**WATCHED, "metrics": metrics}
    found = rendered(*(f"--set-json={name}={json.dumps(value)}" for name, value in values.items()))
    (one,) = [one for one in found if one["kind"] == kind and one["metadata"]["name"] in {"bot", "bot-dashboard"}][-1:]
    return one
