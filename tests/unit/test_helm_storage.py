"""helm's own storage, read without helm: hostile Secrets included."""

import base64
import gzip
import json
from typing import Any

import pytest

from provisioning.clients.helm_storage import StoredRelease, in_force, parse_stored


def secret(body: object, *, status: str = "deployed", version: str = "3") -> dict[str, Any]:
    packed = gzip.compress(body if isinstance(body, bytes) else json.dumps(body).encode())
    return {
        "metadata": {
            "namespace": "acme",
            "name": f"sh.helm.release.v1.clearml-agent.v{version}",
            "labels": {"name": "clearml-agent", "owner": "helm", "status": status, "version": version},
        },
        "data": {"release": base64.b64encode(base64.b64encode(packed)).decode()},
    }


def test_a_release_is_read() -> None:
    """Its identity from the labels, its values and its chart's from the body; repr shows none of them."""
    body = {
        "config": {"agentk8sglue": {"sessions": {"startingPort": 31_000}}, "key": "s3cret"},
        "chart": {"metadata": {"name": "clearml-enterprise-agent"}, "values": {"a": 1}},
    }
    found = parse_stored(secret(body, status="pending-upgrade"))
    assert (found.namespace, found.name, found.revision, found.status) == (
        "acme",
        "clearml-agent",
        3,
        "pending-upgrade",
    )
    assert (found.chart, found.values, found.defaults) == ("clearml-enterprise-agent", body["config"], {"a": 1})
    assert found.problem == ""
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "data",
    [None, "", "%%%", base64.b64encode(b"plain").decode(), base64.b64encode(base64.b64encode(b"no gzip")).decode()],
)
def test_what_cannot_be_read_says_so(data: str | None) -> None:
    """And keeps its name."""
    found = parse_stored(secret({}) | {"data": {"release": data}})
    assert found.name == "clearml-agent"
    assert found.problem == "it is not as helm 3 and 4 write it"


@pytest.mark.parametrize("body", [b"[1]", b"{", b"[" * 100_000, b'{"config": [], "chart": 4}'])
def test_nonsense_inside_is_no_values(body: bytes) -> None:
    """Whatever it is, it does not raise."""
    assert parse_stored(secret(body)).values == {}


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unpacking stops at the limit, not at the end."""
    monkeypatch.setattr("provisioning.clients.helm_storage.MOST_BYTES", 1024 * 1024)
    assert parse_stored(secret(b" " * 8 * 1024 * 1024)).problem == "it is larger than 1 MiB"


def test_the_newest_revision_counts_and_the_deployed_one_behind_it() -> None:
    """A failed upgrade leaves what was deployed in the cluster; a superseded one is replaced."""

    def stored(name: str, revision: int, status: str) -> StoredRelease:
        return StoredRelease(
            namespace="acme", name=name, revision=revision, status=status, chart="c", values={}, defaults={}
        )

    found = in_force(
        [
            stored("agent", 5, "failed"),
            stored("agent", 3, "deployed"),
            stored("agent", 4, "failed"),
            stored("other", 1, "failed"),
            stored("other", 2, "deployed"),
        ]
    )
    assert [(one.name, one.revision) for one in found] == [("agent", 3), ("agent", 5), ("other", 2)]
