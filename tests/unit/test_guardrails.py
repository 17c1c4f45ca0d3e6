"""Guardrails: what is never right, each with the next action."""

import hashlib

import pytest

from policies import guardrails


@pytest.mark.parametrize("name", ["kube-system", "default", "clearml", "redis-shared", "gpu-operator", "openshift-x"])
def test_the_platforms_own_names_are_reserved(name: str) -> None:
    refused = guardrails.name_refusal(name)
    assert refused is not None
    assert "reserved" in refused.reason


def test_ordinary_names_and_domains_are_fine() -> None:
    assert guardrails.name_refusal("acme") is None
    assert guardrails.domain_refusal(("acme.example", "acme.co.example")) is None


def test_a_public_mail_provider_is_no_tenants_domain() -> None:
    refused = guardrails.domain_refusal(("acme.example", "gmail.com"))
    assert refused is not None
    assert refused.reason.startswith("gmail.com is a public mail provider")


@pytest.mark.parametrize(
    ("start", "size", "said"),
    [
        (29_998, 10, "not all NodePorts"),
        (32_760, 10, "not all NodePorts"),
        (30_000, 10, "not all in this platform's pool"),
        (31_010, 10, None),
        (30_100, 1, None),
        (32_757, 10, None),
    ],
)
def test_ports_are_checked_to_the_last_one(start: int, size: int, said: str | None) -> None:
    """Sessions take start + 1 … start + size; the whole range must be NodePorts and in the pool."""
    refused = guardrails.ports_refusal(start, size, first=30_100, last=32_767)
    assert (refused is None) == (said is None)
    if said is not None and refused is not None:
        assert said in refused.reason


def test_public_secrets_are_known_by_their_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are five of the guide; a known value is refused by its setting's name, never printed."""
    assert len(guardrails.PUBLIC_SECRETS) == 5
    known = hashlib.sha256(b"printed-in-public").hexdigest()
    monkeypatch.setattr(guardrails, "PUBLIC_SECRETS", {known: "the password of a guide"})
    refused = guardrails.public_secret_refusal({"redis.password": '"printed-in-public"'})
    assert refused is not None
    assert refused.reason.startswith("redis.password is the password of a guide")
    assert "printed-in-public" not in str(refused)
    assert guardrails.public_secret_refusal({"redis.password": "of-our-own"}) is None
