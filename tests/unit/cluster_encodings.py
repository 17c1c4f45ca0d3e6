"""The API's objects in both of its encodings, without a server."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from provisioning.clients.cluster_lists import Reads, Stream
from provisioning.clients.cluster_pages import Get
from provisioning.clients.cluster_protobuf import MAGIC, NotProtobufError
from provisioning.clients.cluster_schema import message

SECONDS_OF_2026_11_25_10 = 1_795_600_800


def json_alone(get: Get) -> Reads:
    """Return an API that does not speak protobuf."""

    def stream(_path: str) -> NoReturn:
        raise NotProtobufError

    return Reads(get=get, stream=stream)


def protobuf_alone(bodies: Callable[[str], Iterable[bytes]]) -> Reads:
    """Return an API whose pages nobody may ask for; *bodies*: path → chunks."""

    def get(path: str, _query: Mapping[str, str]) -> bytes:
        raise AssertionError(f"{path} was asked for as pages")

    return Reads(get=get, stream=streaming(bodies))


def streaming(bodies: Callable[[str], Iterable[bytes]]) -> Stream:
    @contextmanager
    def stream(path: str) -> Iterator[Iterable[bytes]]:
        yield bodies(path)

    return stream


def field(number: int, content: bytes) -> bytes:
    """Return a field that has a length."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def list_body(kind: str, items: Iterable[bytes], *, token: str = "", revision: str = "7") -> bytes:
    """Return the answer for a list of encoded *items*."""
    meta = field(2, revision.encode()) + (field(3, token.encode()) if token else b"")
    listed = field(1, meta) + b"".join(field(2, item) for item in items)
    type_meta = field(1, b"v1") + field(2, kind.encode())
    return MAGIC + field(1, type_meta) + field(2, listed) + field(3, b"") + field(4, b"")


def encoded_pod(pod: Mapping[str, Any]) -> bytes:
    """Return the pod's protobuf, out of what the API says in JSON."""
    made = message("Pod")()
    made.metadata.name, made.metadata.namespace = pod["metadata"]["name"], pod["metadata"].get("namespace", "")
    if "creationTimestamp" in pod["metadata"]:
        made.metadata.creation_timestamp = message("Time")(seconds=SECONDS_OF_2026_11_25_10).SerializeToString()
    spec, status = pod["spec"], pod.get("status", {})
    made.spec.node_name, made.spec.host_network = spec.get("nodeName", ""), spec.get("hostNetwork", False)
    made.spec.containers.extend(_container(one) for one in spec.get("containers", ()))
    made.spec.init_containers.extend(_container(one) for one in spec.get("initContainers", ()))
    made.status.phase = status.get("phase", "")
    made.status.conditions.extend(_condition(one).SerializeToString() for one in status.get("conditions", ()))
    data: bytes = made.SerializeToString()
    return data


def encoded_node(node: Mapping[str, Any]) -> bytes:
    """Return the node's protobuf, out of what the API says in JSON."""
    made = message("Node")()
    made.metadata.name = node["metadata"]["name"]
    made.metadata.labels.update(node["metadata"].get("labels", {}))
    made.spec.unschedulable = node.get("spec", {}).get("unschedulable", False)
    status = node.get("status", {})
    for name in ("capacity", "allocatable"):
        _fill(getattr(made.status, name), status.get(name, {}))
    made.status.conditions.extend(_condition(one) for one in status.get("conditions", ()))
    data: bytes = made.SerializeToString()
    return data


def _container(given: Mapping[str, Any]) -> Any:
    made, resources = message("Container")(), message("Resources")()
    for name, quantities in given.get("resources", {}).items():
        _fill(getattr(resources, name), quantities)
    made.resources = resources.SerializeToString(deterministic=True)
    made.restart_policy = given.get("restartPolicy", "")
    made.ports.extend(message("Port")(host_port=one.get("hostPort", 0)) for one in given.get("ports", ()))
    return made


def _condition(given: Mapping[str, str]) -> Any:
    return message("Condition")(**given)


def _fill(quantities: Any, given: Mapping[str, str]) -> None:
    for name, quantity in given.items():
        quantities[name].string = quantity
