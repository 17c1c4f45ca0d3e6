"""Steps of the platform: strong secrets made once, the first answer of the API, releases removed."""

import dataclasses
from typing import Any

import pytest

from provisioning.clients.clearml_errors import ClearMLError
from provisioning.errors import PermanentError, UnreachableError
from provisioning.plan import Presence
from provisioning.steps.base import StepRun
from provisioning.steps.helm_steps import HelmUninstalled
from provisioning.steps.platform_steps import SECRET_CHARS, ApiAnswers, GeneratedSecrets, strong_secret
from tests.fakes import FakeCluster, FakeHelm
from tests.unit.platform_samples import GENERATED

RUN = StepRun(job_id="job-1", step_id="s", attempt=1, timeout_s=1)
INPUTS: dict[str, Any] = {"names": list(GENERATED), "labels": {"app.kubernetes.io/managed-by": "clearml-chatops"}}
WHERE = ("clearml", "clearml-platform-secrets")


def test_secrets_are_made_once_and_never_again() -> None:
    """What is there stays, whoever put it there: a release was installed with it."""
    cluster = FakeCluster(namespaces={"clearml": {}})
    cluster.secrets[WHERE] = {"kafka_password": "chosen-by-hand"}
    action = GeneratedSecrets(cluster)
    assert action.observe(INPUTS).presence is Presence.ABSENT
    assert "kafka_password" not in action.observe(INPUTS).detail
    assert action.apply(INPUTS, RUN) == {}
    made = dict(cluster.secrets[WHERE])
    assert made["kafka_password"] == "chosen-by-hand"
    assert len(set(made.values())) == len(GENERATED)
    assert action.observe(INPUTS).presence is Presence.PRESENT
    action.apply(INPUTS, RUN)
    action.undo(INPUTS, {}, RUN)
    assert cluster.secrets[WHERE] == made


def test_secrets_are_strong_and_plain() -> None:
    """No character that a shell, HOCON or a URL reads."""
    made = {strong_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(len(one) == SECRET_CHARS and one.isascii() and one.isalnum() for one in made)


class Api:
    """An API that answers with each of *answers* in turn, and then with the last."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)

    def ping(self) -> None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer

    def server_info(self) -> Any:
        return type("Info", (), {"version": "3.21.6"})()


def test_the_api_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioning.steps.platform_steps.POLL_S", 0.01)
    action = ApiAnswers(Api(UnreachableError("no answer"), UnreachableError("no answer"), None))  # type: ignore[arg-type]  # a stand-in
    assert action.observe({"url": "https://api"}).presence is Presence.ABSENT
    assert action.apply({"url": "https://api"}, RUN) == {"version": "3.21.6"}


def test_an_api_that_stays_silent_or_refuses_ends_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence has a deadline; a refusal of the bot's key is no silence."""
    monkeypatch.setattr("provisioning.steps.platform_steps.POLL_S", 0.01)
    silent = ApiAnswers(Api(UnreachableError("no answer")))  # type: ignore[arg-type]  # a stand-in
    with pytest.raises(PermanentError, match="https://api did not answer within"):
        silent.apply({"url": "https://api"}, dataclasses.replace(RUN, timeout_s=0.05))
    refusing = ApiAnswers(Api(ClearMLError("401", code=401, subcode=22)))  # type: ignore[arg-type]  # a stand-in
    assert refusing.observe({"url": "https://api"}).presence is Presence.DIFFERS
    with pytest.raises(ClearMLError, match="401"):
        refusing.apply({"url": "https://api"}, RUN)


def test_a_release_is_removed_and_a_missing_one_is_fine() -> None:
    cluster = FakeCluster(namespaces={"x": {}})
    action, inputs = HelmUninstalled(FakeHelm(cluster)), {"namespace": "x", "release": "r", "wait_s": 5}
    assert action.observe(inputs).presence is Presence.PRESENT
    action.apply(inputs, RUN)
    assert cluster.writes == ["uninstall x/r"]
