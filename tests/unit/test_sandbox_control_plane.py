"""The sandbox's control plane as it comes up: what passes is waited for, what does not is told."""

import io
import json
from collections.abc import Mapping
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from sandbox.controlplane.cluster import ControlPlane, ControlPlaneFailed

POD = {"metadata": {"name": "web", "namespace": "shop"}}


class Answering(ControlPlane):
    """Its server answers with *answers* (status, reason, message) in turn, and then takes what it is given."""

    def __init__(self, folder: Path, *answers: tuple[int, str, str]) -> None:
        super().__init__(folder, folder, nodes=())
        self.answers = list(answers)
        self.taken: list[str] = []

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        if self.answers:
            status, reason, message = self.answers.pop(0)
            said = io.BytesIO(json.dumps({"reason": reason, "message": message}).encode())
            raise HTTPError(path, status, reason, Message(), said)
        self.taken.append(path)


def test_a_pod_waits_for_the_account_of_its_new_namespace(tmp_path: Path) -> None:
    """A controller makes it a moment after the namespace; on a busy machine that is a long moment."""
    absent = (403, "Forbidden", 'pods "web" is forbidden: error looking up service account shop/default: not found')
    plane = Answering(tmp_path, absent, absent, (409, "Conflict", "the object has been modified"))
    plane.create([POD])
    assert plane.taken == ["/api/v1/namespaces/shop/pods"]


def test_what_is_there_already_is_fine(tmp_path: Path) -> None:
    plane = Answering(tmp_path, (409, "AlreadyExists", "pods web already exists"))
    plane.create([POD])
    assert plane.taken == []


def test_what_does_not_pass_is_told_at_once(tmp_path: Path) -> None:
    plane = Answering(tmp_path, (403, "Forbidden", "pods is forbidden: User cannot create"))
    with pytest.raises(ControlPlaneFailed, match="creating /api/v1/namespaces/shop/pods: 403 pods is forbidden"):
        plane.create([POD])
