"""Lists of the Kubernetes API: page after page, only what is named, and what is no list is said."""

import json
from collections.abc import Mapping

import pytest

from provisioning.clients.cluster_pages import decoded, pages
from provisioning.clients.cluster_wire import FullPod, Meta, WireNamespace, WirePolicy
from provisioning.errors import TemporaryError, UnreachableError


class Api:
    """Answers each call with the next body, or raises it."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []

    def __call__(self, path: str, query: Mapping[str, str]) -> bytes:
        self.asked.append({"path": path, **query})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def page(*names: str, more: str | None = None) -> bytes:
    meta = {"continue": more} if more is not None else {}
    items = [{"metadata": {"name": name, "managedFields": [{"any": 1}]}, "spec": {"x": [1]}} for name in names]
    return json.dumps({"kind": "List", "metadata": meta, "items": items or None}).encode()


def test_every_page_is_read_with_the_token_of_the_one_before() -> None:
    api = Api(page("a", "b", more="t1"), page("c", more="t2"), page())
    found = list(pages(api, "/apis/x", WirePolicy, page_size=2, labelSelector="k=v"))
    assert [one.metadata for one in found] == [Meta(name="a"), Meta(name="b"), Meta(name="c")]
    assert [one.get("continue") for one in api.asked] == [None, "t1", "t2"]
    assert {(one["path"], one["limit"], one["labelSelector"]) for one in api.asked} == {("/apis/x", "2", "k=v")}


def test_a_page_that_fails_is_heard_of_where_its_items_would_have_come() -> None:
    found = []
    with pytest.raises(UnreachableError):  # noqa: PT012 - what came before it counts
        for one in pages(Api(page("a", more="t"), UnreachableError("gone")), "/x", WirePolicy):
            found.append(one.metadata.name)
    assert found == ["a"]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"metadata": {}, "items": [{"metadata": {}}]}', b"\xff"])
def test_what_is_no_list_is_said_with_what_to_do(body: bytes) -> None:
    with pytest.raises(TemporaryError) as raised:
        list(pages(Api(body), "/api/v1/pods", FullPod))
    assert "/api/v1/pods" in raised.value.what
    assert raised.value.next_action


def test_one_object_has_empty_values_for_what_is_left_out() -> None:
    found = decoded(b'{"metadata": {"name": "n"}}', WireNamespace, "namespace n")
    assert (found.metadata.labels, found.status.phase) == ({}, "")
