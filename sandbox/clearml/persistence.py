"""The stand-in's memory as JSON: whole, for its file; without secrets, to be looked at."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from sandbox.clearml.model import Company, Credential, User, Worker

Tokens = Mapping[str, tuple[str, float | None]]


def dump(companies: Mapping[str, Company], users: Mapping[str, User], tokens: Tokens) -> str:
    """Return everything, secrets too."""
    return json.dumps(
        {
            "companies": [asdict(one) for one in companies.values()],
            "users": [asdict(one) for one in users.values()],
            "tokens": {token: list(value) for token, value in tokens.items()},
        },
        indent=1,
    )


def parse(text: str) -> tuple[dict[str, Company], dict[str, User], dict[str, tuple[str, float | None]]]:
    """Read what ``dump`` wrote. Raises: ValueError, KeyError, TypeError where it is something else."""
    read = json.loads(text)
    companies = {
        one["id"]: Company(**one | {"workers": {key: Worker(**worker) for key, worker in one["workers"].items()}})
        for one in read["companies"]
    }
    users = {
        one["id"]: User(**one | {"credentials": [Credential(**key) for key in one["credentials"]]})
        for one in read["users"]
    }
    return companies, users, {token: (user, expires_at) for token, (user, expires_at) in read["tokens"].items()}


def shown(company: Company, users: Iterable[User], workers: Iterable[Worker]) -> dict[str, Any]:
    """Return the company without secrets."""
    return {
        "id": company.id,
        "name": company.name,
        "active": company.active,
        "domains": list(company.domains),
        "queues": sorted(company.queues),
        "workers": sorted(worker.id for worker in workers),
        "settings": dict(company.settings),
        "users": [
            {"id": user.id, "name": user.name, "email": user.email, "role": user.role, "keys": len(user.credentials)}
            for user in users
            if user.company == company.id
        ],
    }
