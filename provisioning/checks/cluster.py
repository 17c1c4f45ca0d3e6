"""Is the cluster as the bot needs it: version, APIs, rights, classes, the GPU operator."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from provisioning.capacity.profiles import PRODUCT_LABEL
from provisioning.checks.clocks import skew
from provisioning.checks.findings import Finding, Look, fail, ok, warn
from provisioning.clients.cluster_review import Right
from provisioning.errors import ChatopsError

if TYPE_CHECKING:
    from provisioning.clients.cluster import ClusterClient
    from provisioning.clients.cluster_review import ClusterReview
    from provisioning.clients.nvidia_smi import NvidiaSmi
    from provisioning.queries.node_mig_status import NodeMigStatusQuery

NEEDED_APIS = ("apps/v1", "batch/v1", "networking.k8s.io/v1", "policy/v1", "rbac.authorization.k8s.io/v1")
PARALLEL = 8
_ALL = ("get", "list", "create", "patch", "delete")

# What the bot does itself or through helm, by what it does it for.
NEEDED_RIGHTS: Mapping[str, tuple[Right, ...]] = {
    "tenants": (
        *(Right(verb=verb, resource="namespaces") for verb in _ALL),
        *(Right(verb=verb, resource="secrets") for verb in (*_ALL, "update")),
        *(Right(verb=verb, resource="configmaps") for verb in _ALL),
        *(Right(verb=verb, resource="services") for verb in _ALL),
        *(Right(verb=verb, resource="serviceaccounts") for verb in _ALL),
        *(Right(verb=verb, resource="deployments", group="apps") for verb in _ALL),
        *(Right(verb=verb, resource="networkpolicies", group="networking.k8s.io") for verb in _ALL),
        *(Right(verb=verb, resource="roles", group="rbac.authorization.k8s.io") for verb in _ALL),
        *(Right(verb=verb, resource="rolebindings", group="rbac.authorization.k8s.io") for verb in _ALL),
        Right(verb="list", resource="pods"),
    ),
    "nodes": (
        *(Right(verb=verb, resource="nodes") for verb in ("get", "list", "patch")),
        Right(verb="list", resource="pods"),
        Right(verb="create", resource="pods", subresource="eviction"),
    ),
}


def looks(
    review: "ClusterReview",
    cluster: "ClusterClient",
    smi: "NvidiaSmi",
    modes: "NodeMigStatusQuery",
    *,
    operator_namespace: str,
    kubectl_version: Callable[[], str],
    with_platform: bool,
) -> list[Look]:
    """Return what to look at. *with_platform*: the bot is to install and upgrade the platform, too."""
    rights = {
        **NEEDED_RIGHTS,
        "GPUs": (
            Right(verb="get", resource="pods", namespace=operator_namespace),
            Right(verb="create", resource="pods", subresource="exec", namespace=operator_namespace),
        ),
    }
    return [
        Look(what="Kubernetes", run=lambda: _version(review, kubectl_version)),
        Look(what="Kubernetes APIs", run=lambda: [_apis(review)]),
        *(
            Look(what=f"rights for {name}", run=partial(_rights, review, name, needed))
            for name, needed in rights.items()
        ),
        *([Look(what="rights for the platform", run=lambda: [_platform(review)])] if with_platform else []),
        Look(what="StorageClass", run=lambda: [_storage(review)]),
        Look(what="IngressClass", run=lambda: [_ingress(review)]),
        Look(what="GPU operator", run=lambda: [_plugins(cluster, smi, operator_namespace)]),
        Look(what="MIG nodes", run=lambda: _modes(modes)),
    ]


def _version(review: "ClusterReview", kubectl_version: Callable[[], str]) -> list[Finding]:
    version, time = review.version_and_time()
    found = [ok("Kubernetes", version), skew("clock of Kubernetes", time)]
    try:
        kubectl = kubectl_version()
    except ChatopsError:
        return found  # a look of its own says so
    apart = abs(_minor(kubectl) - _minor(version))
    if apart > 1:
        detail = f"kubectl {kubectl} and the cluster's {version} are {apart} minor versions apart"
        found.append(warn("kubectl's version", detail, "set TOOLS__KUBECTL to one that is nearer"))
    return found


def _minor(version: str) -> int:
    parts = version.removeprefix("v").split(".")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0


def _apis(review: "ClusterReview") -> Finding:
    served = review.api_versions()
    if missing := [version for version in NEEDED_APIS if version not in served]:
        return fail("Kubernetes APIs", f"not served: {', '.join(missing)}", "use a cluster that is not older than 1.25")
    return ok("Kubernetes APIs", f"{len(NEEDED_APIS)} needed ones are served")


def _rights(review: "ClusterReview", name: str, needed: Sequence[Right]) -> list[Finding]:
    what = f"rights for {name}"
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="rights") as pool:
        allowed = list(pool.map(review.may, needed))
    lacking = [str(right) for right, may in zip(needed, allowed, strict=True) if not may]
    if lacking and name == "nodes":  # a chart's value, off by default
        action = "grant them (the chart's rbac.nodes), if node mig enable and disable are to work"
        return [warn(what, f"may not {', '.join(lacking)}", action)]
    if lacking:
        return [fail(what, f"may not {', '.join(lacking)}", "grant them to the bot's service account (RBAC)")]
    return [ok(what, f"all {len(needed)}")]


def _platform(review: "ClusterReview") -> Finding:
    what = "rights for the platform"
    if review.may(Right(verb="*", resource="*", group="*")):
        return ok(what, "all")
    action = "grant it (the chart's rbac.platform), if platform install and upgrade are to work"
    return warn(what, "it is no cluster-admin: the platform's charts make CustomResourceDefinitions and roles", action)


def _storage(review: "ClusterReview") -> Finding:
    found = review.storage_classes()
    defaults = [name for name, is_default in found.items() if is_default]
    match defaults:
        case [one]:
            return ok("StorageClass", f"{one} is the default")
        case [] if not found:
            action = "install a storage provisioner: the volumes of Redis, billing and the server need one"
            return warn("StorageClass", "there is none", action)
        case []:
            action = "mark one: kubectl annotate storageclass NAME storageclass.kubernetes.io/is-default-class=true"
            return warn("StorageClass", f"none is the default; there are {', '.join(found)}", action)
        case _:
            return warn("StorageClass", f"several are default: {', '.join(defaults)}", "keep the mark at one of them")


def _ingress(review: "ClusterReview") -> Finding:
    found = review.ingress_classes()
    if not found:
        return warn("IngressClass", "there is none", "install an ingress controller: ClearML's hosts need one")
    return ok("IngressClass", ", ".join(found))


def _plugins(cluster: "ClusterClient", smi: "NvidiaSmi", namespace: str) -> Finding:
    with_gpus = [node.name for node in cluster.nodes() if PRODUCT_LABEL in node.labels]
    if not with_gpus:
        return warn("GPU operator", f"no node has the label {PRODUCT_LABEL}", "install the GPU operator")
    running = smi.plugins()
    if without := [name for name in with_gpus if name not in running]:
        return fail(
            "GPU operator",
            f"no device plugin's pod runs on {', '.join(without)}",
            f"kubectl get pods -n {namespace} -o wide",
        )
    return ok("GPU operator", f"the device plugin runs on all {len(with_gpus)} nodes with GPUs")


def _modes(query: "NodeMigStatusQuery") -> list[Finding]:
    todo = query.todo()
    return [warn("MIG nodes", line, "see node mig status") for line in todo] or [ok("MIG nodes", "as labelled")]
