"""What is never right, whatever the policy: reserved names, public mail domains, impossible ports, public secrets.

Pure. Each check returns None, or a refusal with the reason and the next action.
"""

import hashlib
from collections.abc import Iterable, Mapping

from policies.approvals import Refusal

RESERVED_NAMES = frozenset(
    {
        "default",
        "clearml",
        "clearml-billing",
        "clearml-chatops",
        "redis-shared",
        "gpu-operator",
        "cdmo-operator",
        "ingress-nginx",
        "cert-manager",
        "monitoring",
        "platform",
        "local-path-storage",
        "istio-system",
    }
)
RESERVED_PREFIXES = ("kube-", "openshift-")

# People of every company have addresses there: whitelisting one would let all of them sign in.
PUBLIC_MAIL_DOMAINS = frozenset(
    {
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "msn.com",
        "yahoo.com",
        "ymail.com",
        "icloud.com",
        "me.com",
        "aol.com",
        "gmx.com",
        "gmx.net",
        "gmx.de",
        "web.de",
        "mail.com",
        "mail.ru",
        "yandex.com",
        "yandex.ru",
        "qq.com",
        "163.com",
        "proton.me",
        "protonmail.com",
        "zoho.com",
        "fastmail.com",
        "hey.com",
    }
)

NODE_PORTS = (30_000, 32_767)  # the API server's default range
STATIC_BAND_END = 30_085  # below it: ports that are handed out by hand

# Printed in public documentation. Kept as SHA-256, so that no copy of them stands here.
PUBLIC_SECRETS: Mapping[str, str] = {
    "8a53dd3175bce420723507551193fa54b3d686596d154e6a4b94cf42304e93cf": "the API access key of the open-source chart",
    "6c511f30e384ffd2e95c74aa0bdef875810bdb6876eba4b4638b9d573fc7cb33": "the API secret key of the open-source chart",
    "0c3b1dd110371938f488eb28f8119e640ed48b276d351dce4f86edd3b9e14cdc": "the token-signing secret of the open chart",
    "1bbf712212f9e0526200ba848cabb04f98c03b88bb1333fe493f4dbe15266f93": "the Redis password of the installation guide",
    "ed7448fdb787caaf8caef0187413f67bdab058c0117c793ea041bebe3eec20c0": "the Kafka password of the installation guide",
}


def name_refusal(name: str) -> Refusal | None:
    """Return why no tenant may be called *name*."""
    if name in RESERVED_NAMES or name.startswith(RESERVED_PREFIXES):
        return Refusal(
            reason=f"the name {name} is reserved: the platform itself lives in a namespace of that name or family",
            next_action="choose another name",
        )
    return None


def domain_refusal(domains: Iterable[str]) -> Refusal | None:
    """Return why one of *domains* may not be whitelisted for a tenant's SSO."""
    for domain in domains:
        if domain in PUBLIC_MAIL_DOMAINS:
            return Refusal(
                reason=f"{domain} is a public mail provider: everybody with an address there could sign in",
                next_action="name the customer's own domain with --domain",
            )
    return None


def ports_refusal(start: int, max_services: int, *, first: int, last: int) -> Refusal | None:
    """Return why sessions may not start at *start*: they take start + 1 … start + max_services.

    *first* and *last* are the pool that this platform hands out, both ends included.
    """
    low, high = NODE_PORTS
    if start < low - 1 or start + max_services > high:
        return Refusal(
            reason=f"ports {start + 1}-{start + max_services} are not all NodePorts ({low}-{high})",
            next_action=f"choose --port-start between {low - 1} and {high - max_services}, or fewer --max-services",
        )
    if start < first or start + max_services > last:
        return Refusal(
            reason=f"ports {start}-{start + max_services} are not all in this platform's pool ({first}-{last})",
            next_action=f"choose --port-start between {first} and {last - max_services}, or leave it out",
        )
    return None


def public_secret_refusal(secrets: Mapping[str, str]) -> Refusal | None:
    """Return why one of *secrets* (setting's name → value) may not be used: it is printed in public."""
    for name, value in secrets.items():
        if _fingerprint(value) in PUBLIC_SECRETS:
            return Refusal(
                reason=f"{name} is {PUBLIC_SECRETS[_fingerprint(value)]}: anybody can read it in public documentation",
                next_action="make a secret of your own and set that",
            )
    return None


def _fingerprint(value: str) -> str:
    return hashlib.sha256(value.strip().strip("'\"").encode()).hexdigest()
