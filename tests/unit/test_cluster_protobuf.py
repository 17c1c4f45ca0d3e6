"""Lists as protobuf: read while they come, the same objects as JSON's, and what is no list is said."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.clients import cluster_gpus, cluster_ports
from provisioning.clients.cluster_lists import Reads, read
from provisioning.clients.cluster_protobuf import NotProtobufError, objects
from provisioning.clients.cluster_schema import message
from provisioning.errors import TemporaryError
from tests.unit.cluster_encodings import (
    encoded_node,
    encoded_pod,
    field,
    json_alone,
    list_body,
    protobuf_alone,
    streaming,
)

SIZES = (7, 1, 4096)


def pod(name: str) -> bytes:
    data: bytes = message("Pod")(metadata={"name": name, "namespace": "acme"}).SerializeToString()
    return data + field(99, b"a field of a later version")


def cut(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def names(chunks: Iterable[bytes]) -> list[str]:
    return [one.metadata.name for one in objects(chunks, "PodList", "/api/v1/pods")]


@pytest.mark.parametrize("size", SIZES)
def test_a_list_is_read_wherever_its_answer_is_cut(size: int) -> None:
    """Objects longer and shorter than a chunk, none, and fields that nobody named."""
    wanted = ["a", "b" * 300, "c"]
    assert names(cut(list_body("PodList", map(pod, wanted)), size)) == wanted
    assert names(cut(list_body("PodList", ()), size)) == []


def test_objects_come_before_the_answer_ends() -> None:
    """The first is there while the last is still being written."""
    body = list_body("PodList", [pod("a"), pod("b")])
    taken = []

    def chunks() -> Iterator[bytes]:
        for byte in cut(body, 1):
            taken.append(byte)
            yield byte

    assert next(objects(chunks(), "PodList", "x")).metadata.name == "a"
    assert len(taken) < len(body) - 20


@pytest.mark.parametrize("size", SIZES)
def test_an_answer_that_ends_early_is_no_short_list(size: int) -> None:
    """Wherever it ends within the list: fewer pods than there are would look like room."""
    body = list_body("PodList", [pod("a"), pod("b")])
    for end in range(4, len(body) - 4):  # behind the list come two empty fields
        with pytest.raises(TemporaryError, match="ended early"):
            names(cut(body[:end], size))


@pytest.mark.parametrize(
    "body",
    [
        list_body("NodeList", ()),
        list_body("PodList", [pod("a")], token="more"),
        list_body("PodList", [b"\xff\xff\xff"]),
        list_body("PodList", [field(1, field(1, b"\xff\xfe"))]),
        b"k8s\x00" + field(2, b"\x08\x01"),
        b"k8s\x00" + field(2, b"\x12" + b"\xff" * 12),
        b"k8s\x00" + field(2, b"\x12\xff\xff\xff\xff\x0f"),
        b"k8s\x00" + field(3, b"gzip"),
        b"k8s\x00" + b"\xff" * 20,
    ],
)
def test_what_is_no_such_list_is_said_with_what_to_do(body: bytes) -> None:
    with pytest.raises(TemporaryError) as raised:
        names([body])
    assert "/api/v1/pods" in raised.value.what
    assert raised.value.next_action


@pytest.mark.parametrize("body", [b"", b"k8", b"<html>", b'{"kind": "PodList"}'])
def test_another_encoding_is_told_apart(body: bytes) -> None:
    with pytest.raises(NotProtobufError):
        names([body])


def test_where_protobuf_is_not_spoken_pages_of_json_are_read() -> None:
    """Whether that is refused, or JSON comes all the same."""
    page = {"metadata": {}, "items": [{"metadata": {"name": "p"}, "spec": {"hostNetwork": True}}]}

    def get(path: str, query: Mapping[str, str]) -> bytes:
        assert (path, "limit" in query) == ("/api/v1/pods", True)
        return json.dumps(page).encode()

    for api in (json_alone(get), Reads(get=get, stream=streaming(lambda _path: [b'{"kind": "PodList"}']))):
        assert [one.pod for one in cluster_ports.host_ports(api)] == ["p"]


texts = st.text(max_size=12)
resources = st.sampled_from(["cpu", "memory", "nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "nvidia.com/mig-9g.9gb", "nv"])
quantities = st.sampled_from(["", "0", "1", "16", "500m", "1k", "-1", "٣", "9223372036854775807", "1e3", "2Gi"])
containers = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "resources": st.fixed_dictionaries(
                {},
                optional={name: st.dictionaries(resources, quantities, max_size=3) for name in ("limits", "requests")},
            ),
            "restartPolicy": st.sampled_from(["Always", ""]),
            "ports": st.lists(st.fixed_dictionaries({}, optional={"hostPort": st.integers(0, 65535)}), max_size=2),
        },
    ),
    max_size=3,
)
conditions = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["PodScheduled", "Ready", "Odd"]), "status": st.sampled_from(["True", "False", ""])},
        optional={"reason": texts, "message": st.text(max_size=500)},
    ),
    max_size=3,
)
pods = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {"name": texts}, optional={"namespace": texts, "creationTimestamp": st.just("2026-11-25T10:00:00Z")}
        ),
        "spec": st.fixed_dictionaries(
            {},
            optional={
                "nodeName": texts,
                "hostNetwork": st.booleans(),
                "containers": containers,
                "initContainers": containers,
            },
        ),
    },
    optional={
        "status": st.fixed_dictionaries(
            {},
            optional={
                "phase": st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Odd"]),
                "conditions": conditions,
            },
        )
    },
)
nodes = st.fixed_dictionaries(
    {"metadata": st.fixed_dictionaries({"name": texts}, optional={"labels": st.dictionaries(texts, texts)})},
    optional={
        "spec": st.fixed_dictionaries({}, optional={"unschedulable": st.booleans()}),
        "status": st.fixed_dictionaries(
            {},
            optional={
                "allocatable": st.dictionaries(resources, quantities),
                "capacity": st.dictionaries(resources, quantities),
                "conditions": conditions,
            },
        ),
    },
)


def both(kind: str, items: list[dict[str, Any]], encoded: list[bytes]) -> tuple[Reads, Reads]:
    page = json.dumps({"metadata": {}, "items": items}).encode()
    return json_alone(lambda _path, _query: page), protobuf_alone(lambda _path: [list_body(kind, encoded)])


@given(st.lists(pods, max_size=4))
def test_pods_are_the_same_in_both_encodings(given_pods: list[dict[str, Any]]) -> None:
    """Whatever is missing, unknown, odd or hostile in them."""
    by_json, by_protobuf = both("PodList", given_pods, [encoded_pod(one) for one in given_pods])
    assert list(read(by_protobuf, cluster_gpus.GPU_PODS)) == list(read(by_json, cluster_gpus.GPU_PODS))
    assert cluster_ports.host_ports(by_protobuf) == cluster_ports.host_ports(by_json)


@given(st.lists(nodes, max_size=4))
def test_nodes_are_the_same_in_both_encodings(given_nodes: list[dict[str, Any]]) -> None:
    by_json, by_protobuf = both("NodeList", given_nodes, [encoded_node(one) for one in given_nodes])
    assert cluster_gpus.nodes(by_protobuf) == cluster_gpus.nodes(by_json)
    assert cluster_gpus.gpu_nodes(by_protobuf) == cluster_gpus.gpu_nodes(by_json)
