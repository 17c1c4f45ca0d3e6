"""Nothing outside the chart's grant is allowed to the bot: the API server is asked for everything that it serves."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from provisioning import tools
from provisioning.clients.cluster_access import connect
from provisioning.configuration import Cluster, Tools
from tests.scenario import bots_rights
from tests.scenario.bots_rights import Options, Right

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

GROUPS = ["system:serviceaccounts", f"system:serviceaccounts:{bots_rights.NAMESPACE}", "system:authenticated"]
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
RBAC = "rbac.authorization.k8s.io"
CERTIFICATES = "certificates.k8s.io"
# Verbs that are no HTTP method, and what discovery does not show.
SPECIAL: tuple[Right, ...] = (
    ("*", "*", "*"),
    *((RBAC, kind, verb) for kind in ("roles", "clusterroles") for verb in ("escalate", "bind")),
    *(("", whom, "impersonate") for whom in ("users", "groups", "serviceaccounts")),
    ("authentication.k8s.io", "userextras/scopes", "impersonate"),
    *((CERTIFICATES, "signers", verb) for verb in ("approve", "sign", "attest")),
    *(("", f"nodes/{part}", verb) for part in ("log", "metrics", "stats", "proxy") for verb in ("get", "create")),
)
PATHS = ("/logs", "/metrics", "/configz", "/debug/pprof/", "/flagz")


class Asked:
    """The API server, asked as its admin for what the bot's account may do."""

    def __init__(self, kubeconfig: Path) -> None:
        self._connection: Any = connect(Cluster(kubeconfig=kubeconfig))
        self._api: Any = client.AuthorizationV1Api(self._connection)

    def served(self) -> set[str]:
        """Return every ``group|resource``, subresources too."""
        core = self._get("/api/v1")["resources"]
        found = {f"|{one['name']}" for one in core}
        for group in self._get("/apis")["groups"]:
            for version in group["versions"]:
                resources = self._get(f"/apis/{version['groupVersion']}")["resources"]
                found |= {f"{group['name']}|{one['name']}" for one in resources}
        return found

    def may(self, right: Right) -> bool:
        """Ask for one right in all namespaces."""
        group, resource, verb = right
        name, _, part = resource.partition("/")
        attributes = client.V1ResourceAttributes(group=group, resource=name, subresource=part or None, verb=verb)
        return self._ask(resource_attributes=attributes)

    def may_read(self, path: str) -> bool:
        """Ask for a path of the API server that is no resource."""
        return self._ask(non_resource_attributes=client.V1NonResourceAttributes(path=path, verb="get"))

    def _ask(self, **what: Any) -> bool:
        spec = client.V1SubjectAccessReviewSpec(user=bots_rights.USER, groups=GROUPS, **what)
        answer = self._api.create_subject_access_review(client.V1SubjectAccessReview(spec=spec))
        return bool(answer.status.allowed)

    def _get(self, path: str) -> dict[str, Any]:
        request = self._connection.param_serialize("GET", path, auth_settings=["BearerToken"])
        found: dict[str, Any] = json.loads(self._connection.call_api(*request).read())
        return found


@pytest.fixture(params=[frozenset(), frozenset({"nodes"}), frozenset({"router"})], ids=["default", "nodes", "router"])
def options(request: pytest.FixtureRequest, kubeconfig: Path) -> Iterator[Options]:
    """The chart's rights, in the cluster for the time of the test."""
    tools.install()
    options: Options = request.param
    rights = yaml.safe_dump_all(one for one in bots_rights.rendered(options) if one["kind"] != "ServiceAccount")
    _kubectl(kubeconfig, "apply", "-f", "-", stdin=rights)
    yield options
    _kubectl(kubeconfig, "delete", "-f", "-", stdin=rights)


def _kubectl(kubeconfig: Path, *words: str, stdin: str) -> None:
    command = [str(tools.locate(Tools()).kubectl), f"--kubeconfig={kubeconfig}", *words]
    subprocess.run(command, input=stdin, text=True, check=True, capture_output=True, timeout=60)


def test_what_is_allowed_is_what_is_granted(kubeconfig: Path, options: Options) -> None:
    """Every verb on every resource that is served: allowed where the chart grants it, and nowhere else."""
    asked, granted = Asked(kubeconfig), bots_rights.granted(options)
    deadline = time.monotonic() + 30
    while not all(map(asked.may, granted)):  # the API server learns of new roles by a watch
        assert time.monotonic() < deadline, "the rights did not come into force"
        time.sleep(0.2)
    served = [(group, name) for group, _, name in (one.partition("|") for one in asked.served())]
    assert len(served) > 100
    everything = {(group, name, verb) for group, name in served for verb in VERBS} | {*SPECIAL}
    allowed = {right for right in everything if asked.may(right) and right[0] not in bots_rights.EVERYBODYS_GROUPS}
    assert allowed == granted
    assert not [path for path in PATHS if asked.may_read(path)]


def test_what_everybody_may_ask_gives_nothing_away(kubeconfig: Path) -> None:
    """Kubernetes lets every account ask what it may do itself, and make nothing else in these groups."""
    asked = Asked(kubeconfig)
    served = [(group, name) for group, _, name in (one.partition("|") for one in asked.served())]
    rights = [(group, name, verb) for group, name in served if group in bots_rights.EVERYBODYS_GROUPS for verb in VERBS]
    assert {f"{verb} {name}" for group, name, verb in rights if asked.may((group, name, verb))} == {
        "create selfsubjectaccessreviews",
        "create selfsubjectrulesreviews",
        "create selfsubjectreviews",
    }
