"""Guardrails: what is never right, each with the next action."""

import re

import pytest

from policies import guardrails
from policies.approvals import Refusal


def _said(refused: Refusal | None) -> str:
    assert refused is not None
    assert refused.next_action
    return refused.reason


@pytest.mark.parametrize(
    "name",
    [
        *("default", "kube-system", "kube-public", "kube-node-lease", "kube-anything"),
        *("clearml", "clearml-billing", "clearml-chatops", "redis-shared", "gpu-operator", "cdmo-operator"),
        *("ingress-nginx", "cert-manager", "monitoring", "platform", "openshift-x", "istio-system", "calico-system"),
    ],
)
def test_the_platforms_own_names_are_reserved(name: str) -> None:
    assert _said(guardrails.name_refusal(name)).startswith(f"the name {name} is reserved")


def test_namespaces_of_the_settings_are_reserved_too() -> None:
    assert guardrails.name_refusal("edge") is None
    assert "reserved" in _said(guardrails.name_refusal("edge", also=("edge", "cache")))


@pytest.mark.parametrize("name", ["acme", "kubelet-gmbh", "defaulters", "system-x", "myclearml", "ops-team"])
def test_ordinary_names_are_fine(name: str) -> None:
    assert guardrails.name_refusal(name) is None


@pytest.mark.parametrize(
    "domain",
    [
        *("gmail.com", "googlemail.com", "outlook.com", "outlook.de", "hotmail.co.uk", "yahoo.co.jp", "yahoo.fr"),
        *("gmx.net", "web.de", "icloud.com", "proton.me", "protonmail.com", "qq.com", "yandex.ru", "GMail.com"),
    ],
)
def test_a_public_mail_provider_is_no_tenants_domain(domain: str) -> None:
    refused = guardrails.domain_refusal(("acme.example", domain))
    assert _said(refused).startswith(f"{domain} is a public mail provider")


@pytest.mark.parametrize(
    ("domain", "said"),
    [
        ("localhost", "no full domain name"),
        ("10.0.0.1", "no full domain name"),
        ("acme.42", "no full domain name"),
        ("ACME.Local", "names exist inside one network only"),
        ("Co.UK", "a registry's own"),
        ("acme.local", ".local names exist inside one network only"),
        ("acme.internal", ".internal names exist inside one network only"),
        ("acme.invalid", ".invalid names exist inside one network only"),
        ("co.uk", "a registry's own"),
        ("com.au", "a registry's own"),
        ("ac.jp", "a registry's own"),
    ],
)
def test_what_no_company_owns_is_no_tenants_domain(domain: str, said: str) -> None:
    """Nor can anybody be reached there."""
    assert said in _said(guardrails.domain_refusal((domain,)))
    assert said in _said(guardrails.email_refusal(f"ana@{domain}"))


@pytest.mark.parametrize(
    "domain",
    [
        "acme.example",
        "acme.co.uk",
        "eu.acme.example",
        "outlook.acme.com",
        "yahoo.acme.co.uk",
        "co.acme.com",
        "x.io",
        "net.com",
        "42.example",
        "co.uk.example",
        "acme.uk",
    ],
)
def test_a_companys_domain_is_fine(domain: str) -> None:
    assert guardrails.domain_refusal((domain,)) is None
    assert guardrails.email_refusal(f"ana@{domain}") is None


def test_an_address_is_where_its_last_at_says() -> None:
    """What stands before it may hold another."""
    assert "no public domain" in _said(guardrails.email_refusal('"ana@acme.example"@mail.local'))
    assert guardrails.email_refusal('"ana@mail.local"@acme.example') is None


def test_an_admin_may_have_public_mail() -> None:
    """Only whitelisting the provider would let strangers sign in."""
    assert guardrails.email_refusal("ana@gmail.com") is None


@pytest.mark.parametrize(
    ("start", "size", "said"),
    [
        (29_998, 10, "ports 29999-30008 are not all NodePorts"),
        (29_999, 10, "not all in this platform's pool"),
        (32_758, 10, "ports 32759-32768 are not all NodePorts"),
        (32_767, 1, "not all NodePorts"),
        (30_099, 10, "ports 30099-30109 are not all in this platform's pool (30100-32767)"),
        (30_100, 10, None),
        (31_010, 10, None),
        (30_100, 1, None),
        (32_757, 10, None),
    ],
)
def test_ports_are_checked_to_the_last_one(start: int, size: int, said: str | None) -> None:
    """Sessions take start + 1 … start + size; the whole envelope must be in the pool, and all of it NodePorts."""
    refused = guardrails.ports_refusal(start, size, first=30_100, last=32_767)
    if said is None:
        assert refused is None
    else:
        assert said in _said(refused)


def test_the_ends_of_the_default_range_are_usable() -> None:
    """startingPort 29999 is legal, as its first session has 30000; so is one whose last session has 32767."""
    assert guardrails.ports_refusal(29_999, 10, first=29_999, last=32_767) is None
    assert guardrails.ports_refusal(32_757, 10, first=29_999, last=32_767) is None


@pytest.mark.parametrize(
    ("start", "fine"), [(30_199, False), (30_200, True), (30_289, True), (30_290, False), (31_000, False)]
)
def test_a_pool_ends_where_it_ends(start: int, *, fine: bool) -> None:
    """Ten sessions and the port before them, in 30200-30299: other NodePorts are somebody else's."""
    refused = guardrails.ports_refusal(start, 10, first=30_200, last=30_299)
    assert (refused is None) is fine
    if not fine:
        assert "are not all in this platform's pool (30200-30299)" in _said(refused)


@pytest.mark.parametrize(("first", "last", "asked"), [(30_200, 30_299, 31_000), (29_999, 32_767, 32_767)])
def test_what_is_proposed_instead_is_taken(first: int, last: int, asked: int) -> None:
    """Both ends of it, and nothing beyond them."""
    refused = guardrails.ports_refusal(asked, 10, first=first, last=last)
    assert refused is not None
    low, high = (int(word) for word in re.findall(r"\d{5}", refused.next_action))
    taken = [start for start in (low - 1, low, high, high + 1) if not _refused(start, first, last)]
    assert taken == [low, high]


def _refused(start: int, first: int, last: int) -> bool:
    return guardrails.ports_refusal(start, 10, first=first, last=last) is not None


def test_a_pool_that_is_too_small_is_said_so() -> None:
    """No start would do: asking for another one would lead nowhere."""
    refused = guardrails.ports_refusal(30_100, 50, first=30_100, last=30_120)
    assert _said(refused) == "50 sessions need 51 ports, and this platform's pool has 21 (30100-30120)"
    assert refused is not None
    assert "--max-services" in refused.next_action
    assert guardrails.ports_refusal(30_100, 20, first=30_100, last=30_120) is None


# As the installation guide prints them, in two halves: nobody should find or copy them here.
PRINTED = {
    "clearml.access_key": ("GGS9F4M6XB", "2DXJ5AFT9F"),
    "clearml.secret_key": ("2oGujVFhPfaozhpuz2GzQfA5O", "yxmMsR3WVJpsCR5hrgHFs20PO"),
    "router.jwks_key": ("ymLh1ok5k5xNUQfS944Xdx9xj", "f0wueokqKM2dMZfHuH9ayItG2"),
    "redis.password": ("sdkW", "oq23"),
    "kafka.password": ("jdhf", "Kmsd1"),
}


@pytest.mark.parametrize("setting", PRINTED)
@pytest.mark.parametrize("quoting", ["{}", '"{}"', "'{}'", " {}\n"])
def test_the_guides_secrets_are_refused_and_never_printed(setting: str, quoting: str) -> None:
    secret = "".join(PRINTED[setting])
    refused = guardrails.public_secret_refusal({"other": "of-our-own", setting: quoting.format(secret)})
    assert _said(refused).startswith(f"{setting} is the ")
    assert secret not in str(refused)


def test_each_known_secret_is_one_of_the_guides_five() -> None:
    assert len(guardrails.PUBLIC_SECRETS) == len(PRINTED)
    assert guardrails.public_secret_refusal({name: f"{name}-of-our-own" for name in PRINTED}) is None
