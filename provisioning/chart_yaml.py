"""YAML of charts, which come from outside. Pure.

Charts may use anchors, so aliases are not refused. They are counted: a few lines of them, or of merge keys, can
stand for gigabytes, and one that holds itself for ever more.
"""

from collections.abc import Iterator
from typing import Any

import yaml

MOST_NODES = 500_000  # the CRDs of the GPU operator have some 30 000


def load(text: str) -> Any:
    """Return the one document of *text*. Raises: yaml.YAMLError."""
    documents = list(load_all(text))
    if len(documents) > 1:
        raise yaml.YAMLError("it has more than one document")
    return documents[0] if documents else None


def load_all(text: str) -> Iterator[Any]:
    """Yield the documents of *text*. Raises: yaml.YAMLError."""
    loader = yaml.CSafeLoader(text) if yaml.__with_libyaml__ else yaml.SafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                return
            if _size(node, {}) > MOST_NODES:
                raise yaml.YAMLError("its aliases stand for too much")
            yield loader.construct_document(node)
    except RecursionError:
        raise yaml.YAMLError("it is nested too deep") from None
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many nodes *node* stands for, aliases written out. Raises: yaml.YAMLError where it holds itself."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in known:
        if known[id(node)] == 0:
            raise yaml.YAMLError("an alias stands within what it stands for")
        return known[id(node)]
    known[id(node)] = 0  # under way
    inner = (part for pair in node.value for part in pair) if isinstance(node, yaml.MappingNode) else node.value
    known[id(node)] = 1 + sum(_size(part, known) for part in inner)
    return known[id(node)]
