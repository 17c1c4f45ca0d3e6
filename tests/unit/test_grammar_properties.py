"""The grammar, over texts that nobody thought of: it never raises, and what it renders it reads back."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from commands.catalog import CATALOG
from commands.grammar import MAX_TEXT, HelpRequest, How, Invocation, UsageError, build, parse, render
from commands.measures import MEASURES
from commands.spec import flag_of

_FLAGS = sorted(
    {flag_of(name, field) for spec in CATALOG.values() for name, field in spec.args.model_fields.items()}
    | {"--dry-run", "--no-ports", "--help", "-h", "--", "-", "--=", "--ports=1"}
)
_VALUES = ["acme", "ana@acme.example", "41", "#41", "-1", "1,0.5", "none", "1e-999999", "9" * 5000, "NaN", "", "=", ","]
_NOISE = [
    "'",
    '"',
    "\\",
    "<",
    ">",
    "|",
    "&amp;",
    "&",
    "\u2014",
    "\u201c",
    "\u2019",
    "\x00",
    "\u200b",
    "\ue000",
    "\ud800",
]
_NEAR_THE_GRAMMAR = st.lists(
    st.sampled_from(
        [*(word for name in CATALOG for word in name.split()), "/clearml", "help", *_FLAGS, *_VALUES, *_NOISE]
    ),
    max_size=12,
).flatmap(lambda words: st.sampled_from([" ", "", "\n", "\u00a0"]).map(lambda gap: gap.join(words)))

_LABELS = st.from_regex(r"[a-z0-9][a-z0-9-]{1,38}[a-z0-9]", fullmatch=True)
_DOMAINS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?\.example", fullmatch=True)
_LIKE_EMAILS = st.from_regex(r"[A-Za-z0-9_%+'-]{1,12}(\.[a-z'-]{1,6})?@[a-z]{1,9}\.example", fullmatch=True)
_EMAILS = _LIKE_EMAILS.filter(lambda address: not address.startswith("-"))
_PEOPLE = st.text(
    st.characters(categories=["L", "M", "N"], include_characters=" .,'()&/+-\u2019\u00a0"), min_size=1, max_size=24
)
_SHARES = st.sampled_from(["1", "1.0", "0.5", "0.50", ".25", "0.125", "0.3333"])
_GPUS = st.decimals("0.01", 10_000, places=2).map(str)
_VERSIONS = st.tuples(*(st.integers(0, 99) for _ in range(3))).map(lambda parts: ".".join(map(str, parts)))
_TENANT_FIELDS: Mapping[str, st.SearchStrategy[Any]] = {
    "name": _LABELS,
    "admin_email": _EMAILS,
    "admin_name": _PEOPLE,
    "domains": st.lists(_DOMAINS, min_size=1, max_size=4),
    "queues": st.lists(_SHARES, min_size=1, max_size=4) | st.just("none"),
    "max_resources": _GPUS,
    "max_pods": st.integers(1, 1000).map(str),
    "ports": st.booleans(),
    "max_services": st.integers(1, 500).map(str),
    "router": st.just(True),
    "router_host": _DOMAINS,
    "users": st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.sampled_from(["admin", "superuser", "annotator"])),
        max_size=3,
        unique_by=lambda user: user[0],
    ).map(lambda users: [f"{local}@our-users.example:{role}" for local, role in users]),
    "max_users": st.integers(1, 1000).map(str),
    "max_apps": st.integers(0, 1000).map(str),
    "chart_version": _VERSIONS,
}
_NEEDED = {name: _TENANT_FIELDS[name] for name in ("name", "admin_email")}
_TENANTS = (
    st.fixed_dictionaries(_NEEDED, optional={name: one for name, one in _TENANT_FIELDS.items() if name not in _NEEDED})
    | st.fixed_dictionaries({**_NEEDED, "ports": st.just(True), "port_start": st.integers(29_999, 32_767)})
    | st.fixed_dictionaries({**_NEEDED, "router": st.just(False)})
)
_LISTS = st.fixed_dictionaries({}, optional={"tenant": _LABELS, "limit": st.integers(1, 100)})
_JOBS = st.fixed_dictionaries({"number": st.integers(1, 2_147_483_647)})
_FLEET: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "tenant list": st.fixed_dictionaries(
        {},
        optional={
            "sort": st.sampled_from(["name", "status", "gpus", "workers", "users"]),
            "status": st.sampled_from(["ready", "silent", "suspended", "broken", "unknown", "unmanaged"]),
            "page": st.integers(1, 10_000),
            "per_page": st.integers(1, 90),
        },
    ),
    "tenant show": st.fixed_dictionaries({"name": _LABELS}),
    "tenant drift": st.fixed_dictionaries({}, optional={"name": _LABELS}),
    "tenant import": st.fixed_dictionaries({"name": _LABELS, "admin_email": _EMAILS}),
    "tenant export": st.fixed_dictionaries({}, optional={"names": st.lists(_LABELS, min_size=1, max_size=4)}),
    "tenant fix": st.fixed_dictionaries({}, optional={"name": _LABELS}),
}
_ROLES = st.sampled_from(["admin", "superuser", "user", "annotator"])
_SIZES = {
    "max_resources": _GPUS,
    "max_pods": st.integers(1, 1000).map(str),
    "queues": _TENANT_FIELDS["queues"],
    "max_apps": st.integers(0, 1000),
}
_CHANGES: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    "tenant resize": st.fixed_dictionaries({"name": _LABELS, "max_users": st.integers(1, 1000)}, optional=_SIZES)
    | st.fixed_dictionaries({"name": _LABELS, "ports": st.booleans()}, optional=_SIZES)
    | st.fixed_dictionaries(
        {"name": _LABELS, "ports": st.just(True)},
        optional={"port_start": st.integers(29_999, 32_767), "max_services": st.integers(1, 500)},
    ),
    "tenant domains add": st.fixed_dictionaries(
        {"name": _LABELS, "domains": st.lists(_DOMAINS, min_size=1, max_size=4)}
    ),
    "tenant domains remove": st.fixed_dictionaries(
        {"name": _LABELS, "domains": st.lists(_DOMAINS, min_size=1, max_size=4), "force": st.booleans()}
    ),
    "tenant user add": st.fixed_dictionaries({"name": _LABELS, "email": _EMAILS}, optional={"role": _ROLES}),
    "tenant user remove": st.fixed_dictionaries({"name": _LABELS, "email": _EMAILS}),
    "tenant suspend": st.fixed_dictionaries({"name": _LABELS}),
    "tenant rotate": st.fixed_dictionaries({"name": _LABELS}, optional={"wait_worker": st.booleans()}),
    "tenant resume": st.fixed_dictionaries({"name": _LABELS}),
    "tenant upgrade": st.fixed_dictionaries(
        {"name": _LABELS}, optional={"chart_version": _VERSIONS, "allow_downgrade": st.booleans()}
    ),
    "tenant delete": st.builds(
        lambda name, force: {"name": name, "confirm": name, "force": force}, _LABELS, st.booleans()
    ),
    "tenant user role": st.fixed_dictionaries({"name": _LABELS, "email": _EMAILS, "role": _ROLES}),
}
_DIGESTS = st.fixed_dictionaries(
    {"name": _LABELS},
    optional={
        "channel": st.from_regex(r"C[A-Z0-9]{8}", fullmatch=True),
        "include": st.lists(st.sampled_from(["capacity", "ports", "audit"]), min_size=1, unique=True),
        "alert": st.sampled_from(["ports.free<50", "tenants >= 10.5", "jobs.failed above 0"]),
    },
).flatmap(
    lambda fields: st.sampled_from(
        [{"at": "weekdays 09:00 Europe/Berlin"}, {"at": "hourly"}, {"cron": "*/15 8-18 * * mon-fri Asia/Tokyo"}]
    ).map(lambda when: fields | when)
)
_ARGUMENTS: Mapping[str, st.SearchStrategy[dict[str, Any]]] = {
    **_CHANGES,
    "tenant create": _TENANTS,
    **_FLEET,
    "ports": st.fixed_dictionaries({}, optional={"tenant": _LABELS, "max_services": st.integers(1, 500)}),
    "jobs": _LISTS,
    "audit": _LISTS,
    "trends": st.fixed_dictionaries(
        {}, optional={"measures": st.lists(st.sampled_from(sorted(MEASURES)), unique=True), "days": st.integers(1, 400)}
    ),
    "digest add": _DIGESTS,
    "digest list": st.just({}),
    **{f"digest {verb}": st.fixed_dictionaries({"name": _LABELS}) for verb in ("remove", "pause", "resume", "run")},
    "approvals": st.just({}),
    "whoami": st.just({}),
    "policy explain": st.fixed_dictionaries(
        {"text": st.sampled_from(["tenant create acme", 'tenant create acme --reason "x y"', "jobs"])},
        optional={
            "person": st.sampled_from(["U0123456789", "os:root"]),
            "roles": st.lists(st.sampled_from(["operator", "sre"]), min_size=1, max_size=3).map(tuple),
            "channel": st.just("C0123"),
            "at": st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat(timespec="minutes")),
            "destroys": st.integers(0, 10_000),
            "changes": st.integers(0, 10_000),
        },
    ),
    "policy show": st.fixed_dictionaries({}, optional={"digest": st.just("3f8a2c")}),
    **{f"job {verb}": _JOBS for verb in ("show", "retry", "rollback", "leave", "cancel")},
}


def _arguments(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Return the command's own arguments, else those of its examples."""
    if name in _ARGUMENTS:
        return _ARGUMENTS[name]
    found = [parse(example) for example in CATALOG[name].examples] or [parse(name)]
    given = [one.args.model_dump(exclude_unset=True) for one in found if isinstance(one, Invocation)]
    assert len(given) == len(found), f"{name}: an example does not parse"
    return st.sampled_from(given)


def _check(found: Invocation | UsageError | HelpRequest) -> None:
    """Every answer is one that can be shown, stored and sent: printable, bounded, valid UTF-8."""
    match found:
        case Invocation(text=text):
            assert text.isprintable()
            assert len(text) <= MAX_TEXT
            text.encode()
        case UsageError() as error:
            assert error.message
            error.message.encode()
            assert len(error.message) < 2 * MAX_TEXT
            assert _leads_somewhere(error.suggestion)
        case HelpRequest(text=text):
            assert text


def _leads_somewhere(suggestion: str) -> bool:
    """A suggestion is an option, or a text that names a command or is answered with help."""
    if not suggestion or suggestion.startswith("--"):
        return True
    found = parse(suggestion)
    return not isinstance(found, UsageError) or found.spec is not None


@given(st.text(max_size=400) | st.text(st.characters(), max_size=60))
@example("9" * MAX_TEXT)
@example("'" * MAX_TEXT)
@example("<" * MAX_TEXT)
@example("<a|" * (MAX_TEXT // 3))
@example("x" * (MAX_TEXT + 1))
@example("\\")
@example("\x00\ud800")
def test_it_never_raises(text: str) -> None:
    """Whatever is typed: a command, help, or a usage error."""
    _check(parse(text))


@given(_NEAR_THE_GRAMMAR)
@example("tenant create acme --admin-email ana@acme.example --queues 1e-999999999")
@example("tenant create acme --admin-email ana@acme.example --max-resources 1e999999999")
@example(f"job show {'9' * 2900}")
def test_it_never_raises_near_the_grammar(text: str) -> None:
    """Texts made of the grammar's own words reach further in, and still never raise."""
    _check(parse(text))


def test_each_command_has_its_arguments() -> None:
    """None is tried that is gone; a command with arguments and none here has examples to be tried by."""
    assert set(_ARGUMENTS) <= set(CATALOG)
    untried = [name for name, spec in CATALOG.items() if name not in _ARGUMENTS and spec.args.model_fields]
    assert [name for name in untried if not CATALOG[name].examples] == []
    assert set(_TENANT_FIELDS) | {"port_start"} == set(CATALOG["tenant create"].args.model_fields)


_HOWS = st.builds(
    How,
    dry_run=st.booleans(),
    break_glass=st.booleans(),
    reason=st.sampled_from(["", "acme's queue is stuck", '--reason "x"', "a=b; rm -rf $HOME"]),
)


@pytest.mark.parametrize("name", CATALOG)
@given(data=st.data())
def test_a_rendered_command_parses_back(name: str, data: st.DataObject) -> None:
    """What the audit trail shows can be run again, and does the same."""
    spec = CATALOG[name]
    how = data.draw(_HOWS) if spec.takes_dry_run else How()
    built = build(spec, data.draw(_arguments(name)), how=how)
    if isinstance(built, UsageError):  # a person's name may begin with what no name begins with
        assert name == "tenant create"
        assert [field for field, _ in built.fields] == ["admin_name"]
        return
    for text in (built.text, render(spec, built.args, how=how), f"/clearml {built.text}"):
        again = parse(text)
        assert isinstance(again, Invocation), again
        assert (again.spec, again.args, again.how) == (spec, built.args, how)
        assert again.text == built.text


@given(name=_LABELS, email=_EMAILS, domain=_DOMAINS)
def test_what_a_phone_makes_of_a_command_is_the_same_command(name: str, email: str, domain: str) -> None:
    """Smart quotes, long dashes, links and hard spaces change nothing."""
    typed = parse(f'tenant create {name} --admin-email "{email}" --domain {domain} --ports')
    sent = parse(
        f"Tenant create\u00a0\u201c{name}\u201d \u2014admin-email \u201c<mailto:{email}|{email}>\u201d"
        f"\u200b \u2013domain <http://{domain}|{domain}>\n\u2014ports"
    )
    assert isinstance(typed, Invocation), typed
    assert isinstance(sent, Invocation), sent
    assert sent.args == typed.args


@given(email=_LIKE_EMAILS)
@example(email="--@a.example")
@example(email="-@a.example")
@example(email="--force@a.example")
def test_every_address_that_is_taken_parses_back(email: str) -> None:
    """One that begins as an option does would be read as one, so it is not taken from a form or a file either."""
    for name in ("tenant user add", "tenant create"):
        field = "email" if name == "tenant user add" else "admin_email"
        built = build(CATALOG[name], {"name": "acme", field: email})
        assert isinstance(built, UsageError) == email.startswith("-")
        if isinstance(built, UsageError):
            assert "begins as an option does" in built.message
        else:
            assert isinstance(again := parse(built.text), Invocation)
            assert again.args == built.args
