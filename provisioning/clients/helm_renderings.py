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
from provisioning.configuration import Chart
from provisioning.errors import PermanentError
from provisioning.manifests import SHOWN_FINGERPRINT, fingerprint, named_objects, steady

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
        makes_anew, tells_the_time = chart_files.is_made_anew(path)
        try:
            objects = named_objects(self._template(namespace, name, chart, values))
            anew: tuple[str, ...] = ()
            if makes_anew or tells_the_time:
                time.sleep(A_MOMENT_S if tells_the_time else 0)
                objects, anew = steady(objects, named_objects(self._template(namespace, name, chart, values)))
        except yaml.YAMLError:
            raise PermanentError(
                f"reading what chart {chart.reference} renders: it is not YAML",
                next_action="ask whoever made the chart; helm template shows it",
            ) from None
        return Rendering(objects=fingerprints(objects), anew=anew)


def fingerprints(objects: Mapping[str, Any]) -> dict[str, str]:
    """Return each object's fingerprint."""
    return {name: fingerprint(objects[name])[:SHOWN_FINGERPRINT] for name in sorted(objects)}
