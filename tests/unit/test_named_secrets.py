"""Secrets that a plan names and that are gone: what is said is what helps."""

import pytest
from pydantic import SecretStr

from provisioning.errors import PermanentError
from provisioning.named_secrets import NamedSecrets
from tests.fakes import FakeCluster


@pytest.mark.parametrize(
    ("name", "what", "next_action"),
    [
        ("acme/keys/access_key", "the secret acme/keys/access_key: it is not there", "Retry makes it again"),
        (
            "redis-shared/redis/password",
            "the secret redis-shared/redis/password: it is not",
            "put it there, then Retry",
        ),
        ("redis.password", "the secret REDIS__PASSWORD: it is not set", "ask an admin to set it and to start the bot"),
    ],
)
def test_whose_secret_is_gone_decides_on_the_next_action(name: str, what: str, next_action: str) -> None:
    """The release's own namespace, another one, a setting. Without need of it, it is empty."""
    secrets = NamedSecrets(FakeCluster(), {})
    values = {"key": {"$secret": name}}
    with pytest.raises(PermanentError) as raised:
        secrets.fill_in(values, strict=True, remedies={"acme": "Retry makes it again"})
    assert what in raised.value.what
    assert raised.value.next_action.startswith(next_action)
    assert secrets.fill_in(values, strict=False) == {"key": SecretStr("")}
