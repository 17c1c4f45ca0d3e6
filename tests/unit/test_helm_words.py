"""What helm and kubectl say is told apart by type, and never quotes the values that they were given."""

import base64

import pytest
from pydantic import SecretStr

from provisioning.clients.concealment import Concealment, plain
from provisioning.clients.helm_releases import parse_release
from provisioning.clients.process import Completed
from provisioning.clients.tool_errors import cluster_error
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError
from provisioning.redact import HIDDEN

HELM_3_WAIT = "Error: release r failed, and has been uninstalled due to atomic being set: context deadline exceeded"
HELM_4_WAIT = "Error: resource Deployment/a/x not ready. status: InProgress, message: 0/1\ncontext deadline exceeded"
BUSY = "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"
REFUSED = "Error: kubernetes cluster unreachable: Get x: dial tcp: connect: connection refused"
REFUSED_KUBECTL = "The connection to the server 127.0.0.1:9 was refused - did you specify the right host?"
PORT = 'Error: Service "s" is invalid: spec.ports[0].nodePort: Invalid value: 31011: provided port is already allocated'
SCHEMA = (
    "Error: values don't meet the specifications of the schema(s)\n- at '/a': additional properties 'b' not allowed"
)


@pytest.mark.parametrize(
    ("stderr", "error", "says"),
    [
        (BUSY, TemporaryError, "another"),
        (REFUSED, UnreachableError, "answer"),
        (REFUSED_KUBECTL, UnreachableError, ""),
        ("Error: Get x: dial tcp: lookup api.acme.example: no such host", UnreachableError, "answer"),
        ("Error: etcdserver: request timed out", TemporaryError, "just now"),
        ("Error: query: failed to query with labels: etcdserver: leader changed", TemporaryError, "just now"),
        ("Error: net/http: TLS handshake timeout", UnreachableError, ""),
        ("Error: read tcp 1->2: read: connection reset by peer", TemporaryError, ""),
        ("Error: the server is currently unable to handle the request", TemporaryError, ""),
        ("Error: Too many requests, please try again later", TemporaryError, ""),
        ("Error: http2: client connection lost", TemporaryError, ""),
        ('Error: pods "x" is forbidden: unable to create new content in namespace a because it is being terminated',
         TemporaryError, "being deleted"),
        ("Error: kubernetes cluster unreachable: the server has asked for the client to provide credentials",
         PermanentError, "refused the credentials"),
        ('Error: kubernetes cluster unreachable: context "nope" does not exist', PermanentError, "kubeconfig"),
        ("Error: Get x: tls: failed to verify certificate: x509: certificate signed by unknown authority",
         PermanentError, "certificate"),
        ('Error: failed to perform "FetchReference" on source: r.example/c/agent:9.9.9: not found',
         PermanentError, "the registry has no such chart"),
        ("Error: 127.0.0.1:39219/charts/redis:9.9.9: not found", PermanentError, "the registry has no such chart"),
        ("Error: failed to resolve r.example/c/redis@sha256:0f: r.example/c/redis@sha256:0f: not found",
         PermanentError, "the registry has no such chart"),
        ("Error: pull access denied, repository does not exist: authorization failed: no basic auth credentials",
         PermanentError, "refused the credentials"),
        ("Error: release: not found", PermanentError, "release: not found"),
        ('Error: failed to perform "FetchReference" on source: GET "https://r.example/v2/": basic credential not found',
         PermanentError, "refused the credentials"),
        ('Error: Get "https://r.example/v2/": http: server gave HTTP response to HTTPS client',
         PermanentError, "without TLS"),
        ('error: unable to upgrade connection: container not found ("nvidia-device-plugin")',
         TemporaryError, "does not run yet"),
        ('Error from server (NotFound): pods "nvidia-device-plugin-daemonset-x7k2p" not found',
         TemporaryError, "the pod is gone"),
        ("Error from server: error dialing backend: dial tcp 10.0.0.5:10250: connect: no route to host",
         TemporaryError, "does not run yet"),
        ("error: cannot exec into a container in a completed pod; current phase is Failed", TemporaryError, "gone"),
        ("error: unable to upgrade connection: Forbidden (user=kube-apiserver, verb=create, resource=nodes)",
         PermanentError, "Forbidden"),
        (HELM_3_WAIT, PermanentError, "did not become ready in time"),
        (HELM_4_WAIT, PermanentError, "did not become ready in time"),
        (PORT, PermanentError, "a port is taken by another Service"),
        (SCHEMA, PermanentError, "refuses its values"),
        ('Error: services "s" is forbidden: exceeded quota: q', PermanentError, "quota"),
        ('Error: secrets is forbidden: User "bot" cannot list', PermanentError, "does not allow it"),
        ('Error: Secret "x" in namespace "a" exists and cannot be imported into the current release',
         PermanentError, "belongs to somebody else"),
    ],
)  # fmt: skip
def test_failures_are_told_apart(stderr: str, error: type[ChatopsError], says: str) -> None:
    """Retryable or not is the type; the words say what it means; helm's own stand in the details."""
    found = cluster_error("installing acme/clearml-agent", Completed(1, "", stderr))
    assert type(found) is error
    assert found.what.startswith("installing acme/clearml-agent: ")
    assert says in found.what
    assert found.next_action
    assert stderr.splitlines()[-1] in found.details


def test_a_killed_tool_may_be_tried_again() -> None:
    """A tool that a signal ended says nothing about the cluster."""
    found = cluster_error("installing a/b", Completed(-9, "", ""))
    assert type(found) is TemporaryError
    assert "signal 9" in found.what


def test_an_unknown_failure_is_permanent_and_quotes_the_complaint_without_ceremony() -> None:
    """What nobody foresaw is shown as the tool said it, without advice that would print values."""
    stderr = (
        'level=WARN msg="upgrade failed"\n'
        "Error: UPGRADE FAILED: release r failed, and has been rolled back due to atomic being set: no luck today\n"
        "\nUse --debug flag to render out invalid YAML\n"
    )
    found = cluster_error("installing a/b", Completed(1, "", stderr))
    assert type(found) is PermanentError
    assert found.what == "installing a/b: no luck today"
    assert "debug" not in found.details
    assert "level=WARN" not in found.details


def test_a_list_of_errors_is_quoted_by_its_first() -> None:
    """helm 3 counts errors first; the count alone says nothing."""
    stderr = 'Error: INSTALLATION FAILED: 1 error occurred:\n\t* Secret "x" is invalid: metadata.labels\n\n'
    assert cluster_error("installing a/b", Completed(1, "", stderr)).what == (
        'installing a/b: Secret "x" is invalid: metadata.labels'
    )


def test_long_words_are_cut() -> None:
    """A flood of output does not reach a message whole."""
    found = cluster_error("installing a/b", Completed(1, "", "Error: " + "y" * 9000))
    assert len(found.what) < 300
    assert len(found.details) <= 2000


def test_silence_is_said() -> None:
    """A tool that fails without a word still gives a reason."""
    assert cluster_error("installing a/b", Completed(7, "", "")).what == "installing a/b: exit code 7, no words"


VALUES = {
    "imageCredentials": {"password": "image-token"},
    "clearml": {"agentk8sglueKey": "ACCESSKEY1", "agentk8sglueSecret": 'quo"ted\\secret'},
    "agentk8sglue": {
        "extraEnvs": [
            {"name": "CLEARML_AGENT_REDIS_PASSWORD", "value": "redis-pass"},
            {"name": "CLEARML_AGENT_REDIS_HOST", "value": "redis-master.redis-shared"},
        ],
        "plain": SecretStr("declared-secret"),
        "createQueues": True,
        "passwordLength": 12345678,
        "debugMode": "visible-text",
    },
}


@pytest.mark.parametrize(
    "secret",
    [
        "image-token",
        "ACCESSKEY1",
        'quo"ted\\secret',
        'quo\\"ted\\\\secret',
        "redis-pass",
        "declared-secret",
        "12345678",
    ],
)
def test_secrets_are_concealed_in_every_form(secret: str) -> None:
    """Declared secrets and values under telling names vanish: plain, quoted, in base64."""
    conceal = Concealment(VALUES)
    encoded = base64.b64encode(secret.encode()).decode()
    text = conceal(f'invalid value: "{secret}" ({secret})')
    assert secret not in text
    assert HIDDEN in text
    if "\\\\" not in secret:
        assert encoded not in conceal(f"data: {encoded}")


def test_ordinary_values_stay_readable() -> None:
    """Hosts, switches and short words are not torn out of helm's sentences."""
    text = "at redis-master.redis-shared: visible-text is true, got 1"
    assert Concealment(VALUES)(text) == text
    assert Concealment({"password": "on"})("the connection") == "the connection"


def test_values_are_given_to_helm_in_the_clear() -> None:
    """SecretStr leaves are unwrapped at any depth."""
    assert plain({"a": [SecretStr("x"), {"b": (SecretStr("y"), 1)}]}) == {"a": ["x", {"b": ["y", 1]}]}


@pytest.mark.parametrize(
    ("chart", "name", "version"),
    [
        ("clearml-enterprise-agent-1.0.0", "clearml-enterprise-agent", "1.0.0"),
        ("redis-17.8.3", "redis", "17.8.3"),
        ("bad-0.1.0-rc.1", "bad", "0.1.0-rc.1"),
        ("gpu-operator-v24.9.0", "gpu-operator", "v24.9.0"),
        ("a-1-2.0.0+build.5", "a-1", "2.0.0+build.5"),
        ("nameless", "nameless", ""),
    ],
)
def test_chart_names_and_versions_are_split(chart: str, name: str, version: str) -> None:
    """helm list joins name and version by a hyphen; both may hold more of them."""
    item = {"name": "r", "namespace": "n", "revision": "3", "status": "deployed", "chart": chart, "app_version": "1"}
    release = parse_release(item)
    assert (release.chart, release.chart_version, release.revision) == (name, version, 3)
