"""The running bot in HTTP mode: a recorded request, sent again or changed, does nothing."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.cast import DEFAULT_CAST
from sandbox.slack.http_delivery import sign
from sandbox.world import World

pytestmark = [pytest.mark.scenario, pytest.mark.cluster, pytest.mark.timeout(400)]

REQUEST = "/clearml tenant create acme --admin-email ana@acme.example"


@dataclass(frozen=True)
class Recorded:
    url: str
    body: bytes
    headers: dict[str, str]

    def send(self, body: bytes | None = None, *, at: int | None = None, signature: str | None = None) -> int:
        given = dict(self.headers)
        if at is not None:
            given["X-Slack-Request-Timestamp"] = str(at)
        if signature is not None:
            given["X-Slack-Signature"] = signature
        sent = self.body if body is None else body
        with httpx.Client(trust_env=False, timeout=10) as client:
            return client.post(self.url, content=sent, headers=given).status_code

    def signed_at(self, at: int, secret: str) -> int:
        return self.send(at=at, signature=sign(secret, at, self.body))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> list[Recorded]:
    """Whatever Slack posts, as somebody on the way could record it."""
    recorded: list[Recorded] = []
    post = httpx.post

    def posted(url: str, *, content: bytes, headers: dict[str, str], **more: Any) -> httpx.Response:
        recorded.append(Recorded(url, content, dict(headers)))
        return post(url, content=content, headers=headers, **more)

    monkeypatch.setattr(httpx, "post", posted)
    return recorded


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path / "world", cast=DEFAULT_CAST, progress=lambda _line: None, settings={"SLACK__MODE": "http"})
    try:
        made.start()
        yield made
    finally:
        made.stop()


def test_a_recorded_request_does_nothing(world: World, recorder: list[Recorded]) -> None:
    """Replayed at once, by many, and after a restart; changed; with another time. One job, one vote."""
    world.workspace.command("operator", "#platform-ops", REQUEST)
    world.workspace.wait(lambda: world.sight.job() is not None, 30)
    asked = recorder[-1]
    secret = world.workspace.signing_secret
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(asked.send())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [409] * 6

    changed = asked.body.replace(b"acme", b"evil")
    now = int(time.time())
    assert changed != asked.body
    assert asked.send(changed) == 401
    assert asked.send(at=now + 1) == 401
    assert asked.signed_at(now, "not-the-secret") == 401
    assert asked.signed_at(now - 301, secret) == 401, "truly signed, but too long ago"
    assert asked.signed_at(now + 2, secret) == 200, "delivered again by Slack itself, signed anew: acked"

    world.bot.kill()
    world.start_bot()
    assert asked.send() == 409

    assert [row["action"] for row in world.sight.audit(limit=100) if row["action"].startswith("job.")] == [
        "job.requested"
    ], "and counted once"
