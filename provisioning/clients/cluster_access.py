"""How `cluster` reaches the Kubernetes API, and what the API's refusals mean."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3.exceptions
from kubernetes import client, config

from provisioning.clients.cluster_lists import Stream
from provisioning.clients.cluster_pages import Get
from provisioning.clients.cluster_protobuf import NotProtobufError
from provisioning.configuration import Cluster
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError

LIST_TIMEOUTS = (5.0, 60.0)  # to connect, to read, in seconds
PROTOBUF = "application/vnd.kubernetes.protobuf"
NOT_ACCEPTABLE = 406
CHUNK = 2**18  # bytes
DETAIL_CHARS = 500  # of a refusal's own words: more may quote what was sent

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")


class NotFoundError(PermanentError):
    """The object, or its namespace, is not there."""


def connect(cluster: Cluster) -> client.ApiClient:
    """Return a client, found as kubectl does: the setting, $KUBECONFIG, ~/.kube/config, the pod.

    Raises: PermanentError where none of them names a cluster.
    """
    settings = client.Configuration()
    settings.retries = False  # the engine retries, and says so
    named = cluster.kubeconfig or os.environ.get("KUBECONFIG") or Path("~/.kube/config").expanduser()
    in_pod = not cluster.kubeconfig and not os.environ.get("KUBECONFIG") and not Path(named).exists()
    try:
        if in_pod and _SERVICE_ACCOUNT.exists():
            config.load_incluster_config(client_configuration=settings)
        else:
            config.load_kube_config(
                config_file=str(named),
                context=cluster.context,
                persist_config=False,
                client_configuration=settings,
            )
    except (config.ConfigException, OSError, ValueError) as problem:
        raise PermanentError(
            f"reading the cluster's configuration {named}: {problem}",
            next_action="set CLUSTER__KUBECONFIG and CLUSTER__CONTEXT",
        ) from problem
    return client.ApiClient(settings)


def getter(api: client.ApiClient) -> Get:
    """Return what reads one path of the API as it comes, by the client's connections and credentials.

    The client's own list methods are left out: the module of CoreV1Api alone takes a second to import.
    Raises, when called: what `mapped` knows.
    """

    def get(path: str, query: Mapping[str, str]) -> bytes:
        answer = _ask(api, path, query, accept="application/json")
        body: bytes = answer.read()
        return body

    return get


def streamer(api: client.ApiClient) -> Stream:
    """Return what reads one path of the API as protobuf, as it comes.

    Raises, when called: NotProtobufError where whoever answers will not speak it; what `mapped` knows.
    """

    @contextmanager
    def stream(path: str) -> Iterator[Iterable[bytes]]:
        response = _ask(api, path, {}, accept=PROTOBUF).response
        try:
            yield iter(lambda: response.read(CHUNK), b"")
        finally:
            response.close()  # one that was read to its end has given its connection back

    return stream


def _ask(api: client.ApiClient, path: str, query: Mapping[str, str], *, accept: str) -> Any:
    transport: Any = api  # its stubs are of another generator's client
    failed: Any = client.ApiException
    request = transport.param_serialize(
        "GET", path, None, [*query.items()], {"Accept": accept}, auth_settings=["BearerToken"]
    )
    answer = transport.call_api(*request, _request_timeout=LIST_TIMEOUTS)
    if 200 <= answer.status < 300:
        return answer
    body = answer.read().decode("utf-8", errors="replace")
    if answer.status == NOT_ACCEPTABLE and accept == PROTOBUF:
        raise NotProtobufError
    raise failed.from_response(http_resp=answer, body=body, data=None)


@contextmanager
def mapped(doing: str) -> Iterator[None]:
    """Turn what the client raises into our errors. *doing* is for people: ``creating namespace acme``."""
    try:
        yield
    except client.ApiException as refusal:
        raise _refused(doing, refusal) from refusal
    except urllib3.exceptions.HTTPError as problem:
        # Their texts hold the address, never headers or bodies.
        raise UnreachableError(
            f"{doing}: the cluster did not answer",
            next_action="check that it is up and reachable from here, then Retry",
            details=str(problem)[:DETAIL_CHARS],
        ) from problem


# status, what the words must hold, class, what it means, what to do; the first match wins
_REFUSALS: tuple[tuple[frozenset[int], str, type[ChatopsError], str, str], ...] = (
    (
        frozenset({0}),  # the client's own, for errors of TLS
        "SSL",
        PermanentError,
        "the cluster's certificate was refused",
        "check certificate-authority in the kubeconfig",
    ),
    (frozenset({404}), "", NotFoundError, "not found", "check the name"),
    (
        frozenset({401}),
        "",
        PermanentError,
        "the cluster refused the credentials",
        "renew the bot's kubeconfig or service account, then Retry",
    ),
    (frozenset({403}), "quota", PermanentError, "over quota", "raise the quota, then Retry"),
    (
        frozenset({403}),
        "being terminated",
        TemporaryError,
        "the namespace is being deleted",
        "wait until it is gone, then Retry",
    ),
    (
        frozenset({403}),
        "",
        PermanentError,
        "the bot lacks the right",
        "grant it in the bot's RBAC, then Retry",
    ),
    (
        frozenset({408, 409, 410, 429, 500, 502, 503, 504}),
        "",
        TemporaryError,
        "the cluster could not just now",
        "Retry",
    ),
)


def _refused(doing: str, refusal: client.ApiException) -> ChatopsError:
    status = int(refusal.status or 0)
    words = _message(refusal)
    for statuses, needed, error, meaning, next_action in _REFUSALS:
        if status in statuses and needed in words:
            return error(f"{doing}: {f'{status}, ' if status else ''}{meaning}", next_action=next_action, details=words)
    return PermanentError(f"{doing}: {status} {refusal.reason}", next_action="look at the details", details=words)


def _message(refusal: client.ApiException) -> str:
    """Return the API's own sentence: the `message` of its Status, never the whole body."""
    try:
        body = json.loads(refusal.body or "")
    except ValueError:
        return str(refusal.reason or "")[:DETAIL_CHARS]
    return str(body.get("message", "") if isinstance(body, dict) else "")[:DETAIL_CHARS]
