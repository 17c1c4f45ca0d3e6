"""What a preflight asks of a cluster: version, clock, served APIs, classes, and what we may do there."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from kubernetes import client

from provisioning.clients.cluster_access import connect, mapped
from provisioning.configuration import Cluster

TIMEOUTS = (5.0, 10.0)
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


@dataclass(frozen=True, kw_only=True)
class Right:
    """One thing that may be done: ``patch nodes``. ``group`` is "" for core; *subresource* as in pods/exec."""

    verb: str
    resource: str
    group: str = ""
    subresource: str = ""
    namespace: str | None = None  # None: everywhere

    def __str__(self) -> str:
        name = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f"{self.verb} {name}" + (f" in {self.namespace}" if self.namespace else "")


class ClusterReview:
    """One cluster, looked at. Connects at its first use. Thread-safe.

    Methods raise PermanentError, TemporaryError and UnreachableError.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._connected: client.ApiClient | None = None

    def version_and_time(self) -> tuple[str, datetime | None]:
        """Return the server's version, ``v1.36.3``, and the time that it has, to the second."""
        with mapped("asking the cluster for its version"):
            api: Any = client.VersionApi(self._api())  # its stubs leave out the calls that give headers too
            answer = api.get_code_with_http_info(_request_timeout=TIMEOUTS)
        return str(answer[0].git_version), time_of(answer[2])

    def api_versions(self) -> frozenset[str]:
        """Return every group and version that is served: ``apps/v1``."""
        with mapped("asking the cluster for its APIs"):
            groups: Any = client.ApisApi(self._api()).get_api_versions(_request_timeout=TIMEOUTS)
        return frozenset(version.group_version for group in groups.groups for version in group.versions)

    def may(self, right: Right) -> bool:
        """Return whether we have the right."""
        attributes = client.V1ResourceAttributes(
            verb=right.verb,
            group=right.group,
            resource=right.resource,
            subresource=right.subresource or None,
            namespace=right.namespace,
        )
        body = client.V1SelfSubjectAccessReview(
            spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        )
        with mapped(f"asking whether we may {right}"):
            answer: Any = client.AuthorizationV1Api(self._api()).create_self_subject_access_review(
                body, _request_timeout=TIMEOUTS
            )
        return bool(answer.status.allowed)

    def storage_classes(self) -> Mapping[str, bool]:
        """Return every StorageClass and whether it is the default one."""
        with mapped("listing StorageClasses"):
            found: Any = client.StorageV1Api(self._api()).list_storage_class(_request_timeout=TIMEOUTS)
        return {
            item.metadata.name: (item.metadata.annotations or {}).get(DEFAULT_CLASS) == "true" for item in found.items
        }

    def ingress_classes(self) -> tuple[str, ...]:
        """Return every IngressClass by its name."""
        with mapped("listing IngressClasses"):
            found: Any = client.NetworkingV1Api(self._api()).list_ingress_class(_request_timeout=TIMEOUTS)
        return tuple(sorted(item.metadata.name for item in found.items))

    def _api(self) -> client.ApiClient:
        with self._lock:
            if self._connected is None:
                self._connected = connect(self._cluster)
            return self._connected


def time_of(headers: Mapping[str, str] | None) -> datetime | None:
    """Return the Date header's time, or None where there is none that can be read."""
    try:
        return parsedate_to_datetime((headers or {})["Date"])
    except (KeyError, TypeError, ValueError):
        return None
