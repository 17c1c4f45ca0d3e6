"""The redactor hides every secret it knows and every shape of one, and leaves ordinary text alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from provisioning.redact import HIDDEN, Redactor

CANARY = "k4nary-9f8e7d6c5b4a"


@pytest.mark.parametrize(
    "text",
    [
        "token xoxb-1234567890-abcdefghij is bad",
        "xapp-1-A0123-456-abcdef",
        "Authorization: Bearer abc.def-ghi_jkl",
        "authorization: basic a2V5OnNlY3JldA==",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        f"password: {CANARY}",
        f"--password {CANARY}",
        f"--registry-token={CANARY}",
        f'{{"secret_key": "{CANARY}"}}',
        f"agentk8sglueSecret: {CANARY}",
        f"CLEARML_AGENT_REDIS_PASSWORD={CANARY}",
        f"https://user:{CANARY}@registry.example/charts",
        f"client_secret = '{CANARY}'",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}",
    ],
)
def test_shapes_of_secrets_vanish(text: str) -> None:
    """Nothing that looks like a secret is left, whoever's it is."""
    clean = Redactor()(text)
    assert HIDDEN in clean
    for secret in (CANARY, "xoxb-1234567890", "xapp-1-A0123", "abc.def", "a2V5OnNlY3JldA", "c2lnbmF0dXJl"):
        assert secret not in clean


@pytest.mark.parametrize(
    "text",
    [
        "Job 41 by @ana: tenant create acme --admin-email ana@acme.example --ports",
        "digest 8a53dd3175bce420723507551193fa54b3d686596d154e6a4b94cf42304e93cf",
        "ports 31010-31020 of Secret clearml-agent-credentials",
        "the token is refused: check CLEARML_CHATOPS_CLEARML__SECRET_KEY",
        "https://api.example.com/auth.create_credentials",
        "Write the agent's credentials into Secret clearml-agent-credentials",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Digests, numbers, names and addresses are what people need to read."""
    assert Redactor()(text) == text


def test_known_secrets_vanish_wherever_they_stand() -> None:
    """Also inside words, keys and nested JSON; the longer of two goes whole."""
    redact = Redactor([SecretStr(CANARY), None, "abc"])
    redact.add(f"{CANARY}-and-more")
    assert redact(f"x{CANARY}y {CANARY}-and-more abc") == f"x{HIDDEN}y {HIDDEN} abc"
    assert redact.scrub({"a": [f"<{CANARY}>", 1, None], CANARY: True}) == {"a": [f"<{HIDDEN}>", 1, None], HIDDEN: True}


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    redact = Redactor([CANARY])
    once = redact(f"{text} password: {CANARY}")
    assert CANARY not in once
    assert redact(once) == once
