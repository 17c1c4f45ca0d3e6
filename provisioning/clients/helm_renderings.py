"""What charts render before they run, each looked at once: what an approval is bound to."""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from provisioning.clients import chart_files
from provisioning.clients.chart_files import MadeAnew
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.manifests import SHOWN_FINGERPRINT, Objects, fingerprint, named_objects, steady

KEPT = 512
A_MOMENT_S = 1.1  # templates tell the time by the second


@dataclass(frozen=True, kw_only=True)
class Rendering:
    """What a chart renders with some values. Secrets' names stand in it for the secrets."""

    objects: Mapping[str, str]  # "Deployment/clearml-agent" → its fingerprint, 16 hex digits
    anew: tuple[str, ...] = ()  # places that are made anew each time, which no fingerprint covers

    @property
    def sha256(self) -> str:
        """Return the fingerprint of all of it, 64 hex digits."""
        return fingerprint(self.objects)


class Renderings:
    """The renderings of late. Thread-safe.

    Args:
        template: `Helm.template`.
        path: where a chart lies on this machine.
    """

    def __init__(
        self, template: Callable[[str, str, Chart, Mapping[str, Any]], str], path: Callable[[Chart], Path]
    ) -> None:
        self._template = template
        self._path = path
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Rendering] = OrderedDict()

    def of(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any]) -> Rendering:
        """Return what *chart* renders. *values* hold no secrets, but names for them. Raises: ChatopsError."""
        path = self._path(chart)
        known_by = json.dumps([chart_files.sha256(path), namespace, name, values], sort_keys=True)
        key = hashlib.sha256(known_by.encode()).hexdigest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = self._rendered(namespace, name, chart, values, path)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def _rendered(self, namespace: str, name: str, chart: Chart, values: Mapping[str, Any], path: Path) -> Rendering:
        objects, anew = until_steady(
            lambda: named_objects(self._template(namespace, name, chart, values)),
            chart_files.is_made_anew(path),
            doing=f"reading what chart {chart.reference} renders",
        )
        return Rendering(objects=fingerprints(objects), anew=anew)


def until_steady(render: Callable[[], Objects], anew: MadeAnew, *, doing: str) -> tuple[Objects, tuple[str, ...]]:
    """Return what *render* renders each time, and the places of what it makes anew each time.

    Raises: PermanentError where that is not YAML. Its text is not told: it would quote the manifest, secrets too.
    """
    try:
        objects = render()
        if not any(anew):
            return objects, ()
        time.sleep(A_MOMENT_S if anew.tells_the_time else 0)
        return steady(objects, render())
    except yaml.YAMLError:
        raise PermanentError(
            f"{doing}: it is not YAML", next_action="ask whoever made the chart; helm template shows it"
        ) from None


def fingerprints(objects: Mapping[str, Any]) -> dict[str, str]:
    """Return each object's fingerprint."""
    return {name: fingerprint(objects[name])[:SHOWN_FINGERPRINT] for name in sorted(objects)}
