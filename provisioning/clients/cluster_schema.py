"""The Kubernetes API's protobuf, as far as it is read: of each message the fields that count, by their numbers.

Source: k8s.io/api/core/v1/generated.proto and k8s.io/apimachinery's; published numbers never change. What stands
here as ``bytes`` is a message that is seldom read, or often the same: whoever needs it parses it with `message`.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field: TypeAlias = tuple[str, int, str]  # name, number, type: a scalar's, or a message's; ``*`` behind it: repeated

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "string": _FIELD.TYPE_STRING,
    "bytes": _FIELD.TYPE_BYTES,
    "bool": _FIELD.TYPE_BOOL,
    "int32": _FIELD.TYPE_INT32,
    "int64": _FIELD.TYPE_INT64,
}
_MESSAGES: Mapping[str, tuple[_Field, ...]] = {
    "ListMeta": (("token", 3, "string"),),
    "TypeMeta": (("kind", 2, "string"),),
    "Time": (("seconds", 1, "int64"),),
    "Quantity": (("string", 1, "string"),),
    "Text": (("key", 1, "string"), ("value", 2, "string")),
    "Amount": (("key", 1, "string"), ("value", 2, "Quantity")),
    "Meta": (("name", 1, "string"), ("namespace", 3, "string"), ("creation_timestamp", 8, "bytes")),
    "LabelledMeta": (("name", 1, "string"), ("labels", 11, "map Text")),
    "Condition": (("type", 1, "string"), ("status", 2, "string"), ("reason", 5, "string"), ("message", 6, "string")),
    "Resources": (("limits", 1, "map Amount"), ("requests", 2, "map Amount")),
    "Port": (("host_port", 2, "int32"),),
    "Container": (("ports", 6, "Port*"), ("resources", 8, "bytes"), ("restart_policy", 24, "string")),
    "PodSpec": (
        ("containers", 2, "Container*"),
        ("node_name", 10, "string"),
        ("host_network", 11, "bool"),
        ("init_containers", 20, "Container*"),
    ),
    "PodStatus": (("phase", 1, "string"), ("conditions", 2, "bytes*")),
    "Pod": (("metadata", 1, "Meta"), ("spec", 2, "PodSpec"), ("status", 3, "PodStatus")),
    "PodList": (("metadata", 1, "ListMeta"), ("items", 2, "Pod*")),
    "NodeSpec": (("unschedulable", 4, "bool"),),
    "NodeStatus": (
        ("capacity", 1, "map Amount"),
        ("allocatable", 2, "map Amount"),
        ("conditions", 4, "Condition*"),
    ),
    "Node": (("metadata", 1, "LabelledMeta"), ("spec", 2, "NodeSpec"), ("status", 3, "NodeStatus")),
    "NodeList": (("metadata", 1, "ListMeta"), ("items", 2, "Node*")),
}


@cache
def message(name: str) -> Any:
    """Return the class of the message *name*: ``FromString`` parses, fields are attributes. The first use makes all.

    Raises: KeyError.
    """
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"read.{name}"))


@cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="read.proto", package="read", syntax="proto3")
    for name, fields in _MESSAGES.items():
        made = file.message_type.add(name=name)
        for field, number, kind in fields:
            _add(made, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def _add(made: Any, name: str, number: int, kind: str) -> None:
    if kind.startswith("map "):  # on the wire: a repeated message of key and value
        entry = made.nested_type.add(name=f"{name.capitalize()}Entry")
        for field, place, plain in _MESSAGES[kind.removeprefix("map ")]:
            _add(entry, field, place, plain)
        entry.options.map_entry = True
        kind = f"{made.name}.{entry.name}*"
    field = made.field.add(name=name, number=number)
    field.label = _FIELD.LABEL_REPEATED if kind.endswith("*") else _FIELD.LABEL_OPTIONAL
    plain = kind.removesuffix("*")
    if plain in _SCALARS:
        field.type = _SCALARS[plain]
    else:
        field.type, field.type_name = _FIELD.TYPE_MESSAGE, f".read.{plain}"
