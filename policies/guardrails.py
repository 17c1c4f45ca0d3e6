"""What is never right, whatever the policy: reserved names, public mail domains, impossible ports, public secrets.

Pure. Each check returns None, or a refusal with the reason and the next action.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from policies.approvals import Refusal

# Namespaces of Kubernetes, of the platform, and of what is usually installed beside it.
_RESERVED = """
    default clearml redis-shared gpu-operator nvidia-gpu-operator cdmo-operator node-feature-discovery
    ingress-nginx nginx-ingress ingress traefik haproxy-controller contour cert-manager external-dns external-secrets
    monitoring prometheus logging platform admin root local-path-storage longhorn rook-ceph openebs velero argocd
    flux vault keycloak istio-ingress linkerd operators olm
"""
RESERVED_NAMES = frozenset(_RESERVED.split())
RESERVED_PREFIXES = ("kube-", "clearml-", "openshift-", "gke-", "cattle-")
RESERVED_SUFFIXES = ("-system",)

# People of every company have addresses there: whitelisting one would let all of them sign in.
_PUBLIC_MAIL = """
    live.com live.co.uk live.nl live.fr msn.com ymail.com rocketmail.com icloud.com me.com mac.com aol.com mail.com
    mail.ru inbox.ru list.ru bk.ru internet.ru rambler.ru ya.ru qq.com foxmail.com 163.com 126.com yeah.net sina.com
    sohu.com aliyun.com naver.com daum.net hanmail.net rediffmail.com proton.me pm.me protonmail.ch tutanota.com
    tutanota.de tuta.io tuta.com zoho.com zohomail.com zohomail.eu fastmail.com fastmail.fm hey.com duck.com
    hushmail.com mailbox.org posteo.de posteo.net web.de freenet.de t-online.de orange.fr wanadoo.fr free.fr
    laposte.net sfr.fr libero.it virgilio.it tiscali.it seznam.cz wp.pl o2.pl onet.pl interia.pl uol.com.br
    bol.com.br terra.com.br comcast.net verizon.net att.net sbcglobal.net cox.net btinternet.com sky.com
    walla.co.il walla.com mailinator.com guerrillamail.com 10minutemail.com yopmail.com
"""
PUBLIC_MAIL_DOMAINS = frozenset(_PUBLIC_MAIL.split())
# Providers with a domain in many countries: yahoo.co.jp, hotmail.fr, gmx.net.
PUBLIC_MAIL_NAMES = frozenset({"gmail", "googlemail", "hotmail", "outlook", "yahoo", "gmx", "yandex", "protonmail"})

# What no company owns: names without a meaning outside one network (RFC 6761, 6762, 7686, 8375, 9476).
SPECIAL_TLDS = frozenset(
    {"local", "localhost", "localdomain", "internal", "intranet", "lan", "home", "corp", "private"}
    | {"invalid", "test", "onion", "alt", "arpa"}
)
# A registry's own second level: whitelisting co.uk would let all of it sign in.
REGISTRY_LABELS = frozenset({"co", "com", "net", "org", "ac", "edu", "gov", "gob", "gouv", "mil"})

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


def name_refusal(name: str, *, also: Iterable[str] = ()) -> Refusal | None:
    """Return why no tenant may be called *name*. *also* are namespaces that this platform's settings name."""
    if (
        name in RESERVED_NAMES
        or name in set(also)
        or name.startswith(RESERVED_PREFIXES)
        or name.endswith(RESERVED_SUFFIXES)
    ):
        return Refusal(
            reason=f"the name {name} is reserved: the platform itself lives in a namespace of that name or family",
            next_action="choose another name, such as the customer's own",
        )
    return None


def domain_refusal(domains: Iterable[str]) -> Refusal | None:
    """Return why one of *domains* may not be whitelisted for a tenant's SSO."""
    for domain in domains:
        if not_real := _not_a_companys(domain):
            return Refusal(reason=f"{domain} is {not_real}", next_action="name the customer's own domain with --domain")
        if _is_public_mail(domain):
            return Refusal(
                reason=f"{domain} is a public mail provider: everybody with an address there could sign in",
                next_action="name the customer's own domain with --domain",
            )
    return None


def email_refusal(address: str) -> Refusal | None:
    """Return why nobody can be reached at *address*. A public mail provider is fine here: it opens no sign-in."""
    domain = address.rpartition("@")[2]
    if not_real := _not_a_companys(domain):
        return Refusal(
            reason=f"{address} can be nobody's address: {domain} is {not_real}",
            next_action="give the admin's real address with --admin-email",
        )
    return None


def ports_refusal(start: int, max_services: int, *, first: int, last: int) -> Refusal | None:
    """Return why sessions may not start at *start*: they take start + 1 … start + max_services.

    *first* and *last* are the pool that this platform hands out, both ends included.
    """
    low, high = NODE_PORTS
    sessions = f"ports {start + 1}-{start + max_services}"
    if start < low - 1 or start + max_services > high:
        return Refusal(
            reason=f"{sessions} are not all NodePorts ({low}-{high})",
            next_action=f"choose --port-start between {low - 1} and {high - max_services}, or fewer --max-services",
        )
    if last - first < max_services:
        return Refusal(
            reason=f"{max_services} sessions need {max_services + 1} ports, and this platform's pool has"
            f" {last - first + 1} ({first}-{last})",
            next_action="ask for fewer --max-services, or ask an admin to widen the pool (PORTS__FIRST, PORTS__LAST)",
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


def _not_a_companys(domain: str) -> str:
    """Return what *domain* is where no single company can own it; "" where one can."""
    labels = domain.lower().split(".")
    if len(labels) < 2 or labels[-1].isdecimal():
        return "no full domain name"
    if labels[-1] in SPECIAL_TLDS:
        return f"no public domain: .{labels[-1]} names exist inside one network only"
    if _is_registrys(labels):
        return "a registry's own: it would cover every company below it"
    return ""


def _is_registrys(labels: Sequence[str]) -> bool:
    return len(labels) == 2 and len(labels[1]) == 2 and labels[0] in REGISTRY_LABELS


def _is_public_mail(domain: str) -> bool:
    name, *rest = domain.lower().split(".")
    return domain.lower() in PUBLIC_MAIL_DOMAINS or (
        name in PUBLIC_MAIL_NAMES and (len(rest) == 1 or _is_registrys(rest))
    )


def _fingerprint(value: str) -> str:
    return hashlib.sha256(value.strip().strip("'\"").encode()).hexdigest()
