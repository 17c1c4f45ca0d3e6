"""The settings of a platform that has nothing but what it needs."""

from typing import Any

from provisioning.configuration import Provisioning

SERVER = {
    "api_url": "https://api.platform.example",
    "web_url": "https://app.platform.example",
    "files_url": "https://files.platform.example",
    "access_key": "SYSTEMKEY",
    "secret_key": "a-system-secret",
}


def configuration(**changes: Any) -> Provisioning:
    """Return them with *changes*."""
    given: dict[str, Any] = {
        "data_dir": "data",
        "clearml": SERVER,
        "agent": {"chart": {"reference": "agent"}},
        "redis": {"password": "a-redis-password"},
    }
    return Provisioning.model_validate(given | changes)
