"""The grammar: text → a command, or what is wrong and what was perhaps meant."""

import pytest

from commands.catalog import CATALOG
from commands.file_links import file_id_of
from commands.grammar import MAX_TEXT, HelpRequest, Invocation, UsageError, build, parse
from commands.jobs import JobArgs
from commands.reading import MAX_REASON
from commands.spec import flag_of
from commands.tenants import TenantCreate

CREATE = "tenant create acme --admin-email ana@acme.example"


def _args(text: str) -> TenantCreate:
    found = parse(text)
    assert isinstance(found, Invocation), found
    assert isinstance(found.args, TenantCreate)
    return found.args


def test_defaults_come_from_the_address() -> None:
    """The domain and the admin's name need not be said twice."""
    args = _args("/clearml tenant create acme --admin-email ana.maria@Acme.Example")
    assert (args.admin_email, args.admin_name, args.domains) == (
        "ana.maria@acme.example",
        "Ana Maria",
        ("acme.example",),
    )
    assert args.queues == ("1", "0.5", "0.25")


@pytest.mark.parametrize(
    "text",
    [
        "tenant create acme --admin-email <mailto:ana@acme.example|ana@acme.example> --domain <http://acme.example|acme.example>",
        "tenant create acme \u2014admin-email ana@acme.example \u2014domain acme.example",
        "  /clearml   TENANT create acme --admin-email=ana@acme.example --domain=acme.example ",
        "tenant create \u201cacme\u201d --admin-email \u2018ana@acme.example\u2019",
        "tenant create acme\u00a0--admin-email ana@acme.example",
        "tenant create ac\u200bme --admin-email \u202aana@acme.example\u202c",
        "tenant create \u00abacme\u00bb \u2013-admin-email ana@acme.example",
        "Tenant Create acme --Admin-Email ana@acme.example",
        "tenant create acme --admin_email ana@acme.example",
        "tenant create acme\n  --admin-email ana@acme.example\n  --domain <https://acme.example/>",
    ],
)
def test_what_chat_clients_do_to_text_is_undone(text: str) -> None:
    """Links, long dashes, smart quotes and hard spaces mean what was typed."""
    assert _args(text) == _args(CREATE)


@pytest.mark.parametrize(
    ("text", "said", "suggestion"),
    [
        ("tennant create acme", "did you mean /clearml tenant create?", "tenant create"),
        ("create tenant acme", "did you mean /clearml tenant create?", "tenant create"),
        ("show tenant acme", "did you mean /clearml tenant show?", "tenant show"),
        ("tenant", "after tenant comes create, ", "help tenant"),
        ("tenant creat acme", "did you mean /clearml tenant create?", "tenant create"),
        ("tenant user ad acme bo@acme.example", "did you mean /clearml tenant user add?", "tenant user add"),
        ("job shwo 41", "did you mean /clearml job show?", "job show"),
        ("job rolback 41", "did you mean /clearml job rollback?", "job rollback"),
        ("aprovals", "did you mean /clearml approvals?", "approvals"),
        ("who am i", "did you mean /clearml whoami?", "whoami"),
        ("help tennant create", "did you mean /clearml tenant create?", "tenant create"),
        ("job 41", "after job comes show, retry, rollback, leave, cancel", "help job"),
        ("job", "see /clearml help job", "help job"),
        ("explode everything", "see /clearml help", "help"),
        ("frobnicate", "see /clearml help", "help"),
        ("creat tenant acme", "did you mean /clearml tenant create?", "tenant create"),
        ("tenant remove acme", "did you mean /clearml tenant delete?", "tenant delete"),
        ("digest delete morning", "did you mean /clearml digest remove?", "digest remove"),
        ("remove tenant acme", "did you mean /clearml tenant delete?", "tenant delete"),
        ("tenants", "did you mean /clearml tenant list?", "tenant list"),
        ("tenants show acme", "did you mean /clearml tenant show?", "tenant show"),
        ("tenant edit acme", "did you mean /clearml tenant resize?", "tenant resize"),
        ("/clearml /clearml", "there is no command '/clearml'", "help"),
    ],
)
def test_an_unknown_command_leads_to_the_nearest(text: str, said: str, suggestion: str) -> None:
    found = parse(text)
    assert isinstance(found, UsageError), found
    assert said in found.message
    assert found.suggestion == suggestion
    if suggestion in CATALOG:
        assert found.usage == f"/clearml {CATALOG[suggestion].usage}"


@pytest.mark.parametrize("text", ["tenant wipe acme", "tenant destroy acme", "tenant kill acme"])
def test_nobody_is_led_from_deleting_to_creating(text: str) -> None:
    """A verb that is not near is not guessed."""
    found = parse(text)
    assert isinstance(found, UsageError)
    assert found.suggestion == "help tenant"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenant create", "NAME and --admin-email are missing"),
        ("tenant create acme", "--admin-email is missing"),
        (f"{CREATE} --domian x.example", "there is no option --domian: did you mean --domain?"),
        (f"{CREATE} --admin ana", "there is no option --admin: did you mean --admin-email?"),
        (f"{CREATE} --zzz", "there is no option --zzz: see /clearml help tenant create"),
        (f"{CREATE} --", "there is no option --"),
        (f"{CREATE} --admin-email bob@acme.example", "--admin-email is given twice"),
        (f"{CREATE} --ports --no-ports", "--ports or --no-ports is given twice"),
        (f"{CREATE} extra", "'extra' is one word too many: put texts with spaces in quotes"),
        ("capacity fits", "'fits' is one word too many: did you mean --fits?"),
        ("ports acme", "one word too many: say what it is by a flag before it, as in --tenant acme"),
        ("digest list x", "one word too many: digest list takes none, so leave it out"),
        (f"{CREATE} --max-pods", "--max-pods needs a value: --max-pods N"),
        (f"{CREATE} --max-pods --ports", "--max-pods needs a value: --max-pods N"),
        (f"{CREATE} --max-pods many", "--max-pods: 'many' is no whole number"),
        (f"{CREATE} --max-pods 5000", "--max-pods: '5000' is too large: 1000 at most"),
        (f"{CREATE} --max-pods=-1", "--max-pods: '-1' is too small: 1 at least"),
        (f"{CREATE} --max-resources 0", "--max-resources: '0' is too small: it must be more than 0"),
        (f"{CREATE} --max-resources 0.125", "too many digits after the point: 2 at most"),
        (f"{CREATE} --max-resources lots", "--max-resources: 'lots' is no number"),
        (f"{CREATE} --ports=yes", "--ports takes no value: write --ports or --no-ports"),
        (f"{CREATE} --dry-run=yes", "--dry-run takes no value: write --dry-run"),
        (f"{CREATE} --port-start 31000", "--port-start needs --ports"),
        (f"{CREATE} --queues 1,2", "'2' is no share of a GPU"),
        (f"{CREATE} --queues 1/2", "'1/2' is no share of a GPU: write 1, 0.5 or 0.25"),
        (f"{CREATE} --queues NaN", "no share of a GPU"),
        (f"{CREATE} --queues 1e-999999999", "no share of a GPU"),
        (f"{CREATE} --queues none --queues 1", "'none' stands alone"),
        (f"{CREATE} --queues ''", "0 shares: name 1 to 20, or none"),
        (
            "tenant create Acme_Corp --admin-email ana@acme.example",
            "begin and end with a letter or digit, as in acme-corp",
        ),
        ("tenant create ab --admin-email ana@acme.example", "use 3 to 40"),
        ("tenant create -f --admin-email ana@acme.example", "'-f' is no tenant name"),
        ("tenant create acme --admin-email ana", "'ana' is no e-mail address"),
        (f"{CREATE} --domain localhost", "'localhost' is no domain: write it as in acme.example"),
        (f"{CREATE} --domain none", "'none' is no domain"),
        (f"{CREATE} --domain m\u00fcnchen.example", "write its ASCII form"),
        (f"{CREATE} --admin-name '&lt;b&gt;'", "a name has no"),
        ("job show 0", "JOB: '0' is too small: 1 at least"),
        ("job show forty-one", "JOB: 'forty-one' is no whole number"),
        (f"job show {'9' * 2900}", "JOB: '9999"),
        ("jobs 'acme", "a quote is opened and not closed"),
        ("jobs acme\\", "the text ends in a backslash"),
        ("x" * 5000, "5000 characters long, and 3000 are read at most"),
    ],
)
def test_a_usage_error_says_what_is_wrong(text: str, said: str) -> None:
    """And what to write instead; where the command is clear, with its usage."""
    found = parse(text)
    assert isinstance(found, UsageError), found
    assert said in found.message
    assert bool(found.usage) == (found.spec is not None)


def test_one_mistake_is_said_once() -> None:
    """A wrong address is not also a wrong domain and a wrong name."""
    found = parse("tenant create acme --admin-email ana@localhost")
    assert isinstance(found, UsageError)
    assert [name for name, _ in found.fields] == ["admin_email"]


@pytest.mark.parametrize(
    "typed", ["O'Brien", "O\u2019Brien", "'O\u2019Brien'", '"O\'Brien"', "\u201cO\u2019Brien\u201d"]
)
def test_an_apostrophe_is_no_quote(typed: str) -> None:
    assert _args(f"{CREATE} --admin-name {typed}").admin_name == "O'Brien"


@pytest.mark.parametrize("typed", ["41", "#41", "job-41", "'41'"])
def test_a_job_is_named_as_people_name_it(typed: str) -> None:
    found = parse(f"job show {typed}")
    assert isinstance(found, Invocation), found
    assert isinstance(found.args, JobArgs)
    assert found.args.number == 41


def test_help_is_there_for_everything() -> None:
    """Every command has help with its usage, its options and its examples; so has a family of commands."""
    for text in ("", "help", "--help", "/clearml"):
        overview = parse(text)
        assert isinstance(overview, HelpRequest)
        assert all(name in overview.text for name in CATALOG)
    for name, spec in CATALOG.items():
        for text in (f"help {name}", f"{name} --help"):
            told = parse(text)
            assert isinstance(told, HelpRequest)
            assert spec.usage in told.text
        for example in spec.examples:
            assert isinstance(parse(example), Invocation), example
    family = parse("help job")
    assert isinstance(family, HelpRequest)
    assert "job rollback" in family.text


@pytest.mark.parametrize(
    "link",
    [
        "https://example.slack.com/files/U0123/F0123/tenants.yaml",
        "<https://example.slack.com/files/U0123/F0123/tenants.yaml>",
        "https://example.slack.com/files/W0123/F0123",
        "http://127.0.0.1:8000/files/U0123/F0123/a%20b.yaml",
    ],
)
def test_a_link_to_a_file_stands_for_the_file(link: str) -> None:
    """Where the command takes one; it does not also take its text."""
    assert isinstance(found := parse(f"tenant apply {link} --dry-run"), Invocation)
    assert file_id_of(found.args.model_dump()["specs"]) == "F0123"
    assert isinstance(parse(f"tenant apply {link} --specs 'name: acme'"), UsageError)
    assert isinstance(parse(f"tenant show acme {link}"), UsageError)


@pytest.mark.parametrize(
    "word",
    ["tenants.yaml", "https://example.slack.com/archives/C0123/p123", "https://evil.example/F0123", "files/U1/F1"],
)
def test_another_word_is_no_file(word: str) -> None:
    assert isinstance(found := parse(f"tenant apply {word}"), UsageError)
    assert "one word too many" in found.message


@pytest.mark.parametrize("text", ["tenant drift acme --fix", "/clearml tenant drift --FIX acme", "tenant fix acme"])
def test_a_switch_may_make_another_command_of_it(text: str) -> None:
    """Policies, approvals and the audit trail know it by that command's name and risk."""
    assert isinstance(found := parse(text), Invocation)
    assert found.spec is CATALOG["tenant fix"]
    assert found.args == CATALOG["tenant fix"].args.model_validate({"name": "acme"})
    assert isinstance(told := parse("help tenant drift"), HelpRequest)
    assert "--fix: the same as tenant fix" in told.text


def test_what_goes_with_the_other_command_goes_with_the_switch() -> None:
    """Its dry run, its reason, and that without a name it is about all; none of that without the switch."""
    assert isinstance(found := parse('tenant drift acme --fix --dry-run --reason "as agreed"'), Invocation)
    assert (found.dry_run, found.how.reason) == (True, "as agreed")
    assert isinstance(nameless := parse("tenant drift --fix"), Invocation)
    assert (nameless.spec, nameless.args.subject) == (CATALOG["tenant fix"], "")
    assert isinstance(misspelt := parse("tenant drift acme --fxi"), UsageError)
    assert misspelt.suggestion == "--fix"
    assert isinstance(looks := parse("tenant drift acme"), Invocation)
    assert looks.spec is CATALOG["tenant drift"]


def test_a_switch_makes_a_command_that_there_is() -> None:
    """No flag of its own is called so."""
    for spec in CATALOG.values():
        flags = {flag_of(name, field) for name, field in spec.args.model_fields.items()}
        assert flags.isdisjoint(spec.becomes)
        assert set(spec.becomes.values()) <= set(CATALOG)


def test_a_dry_run_is_remembered() -> None:
    """Also where a form has to ask for what is missing: it must not become the real thing on the way."""
    assert isinstance(found := parse(f"{CREATE} --dry-run"), Invocation)
    assert found.dry_run
    assert isinstance(incomplete := parse("tenant create acme --dry-run"), UsageError)
    assert incomplete.how.dry_run
    assert dict(incomplete.given) == {"name": "acme"}


def test_how_it_is_run_is_read_as_it_is_said() -> None:
    """In whichever case and order; each alone, and the words of a reason with single blanks."""
    asked = parse(f"{CREATE} --Break-Glass --reason ' the  outage ' --DRY-RUN")
    assert isinstance(asked, Invocation)
    assert (asked.how.break_glass, asked.how.reason, asked.how.dry_run) == (True, "the outage", True)
    for flag, how in (("--dry-run", (True, False)), ("--break-glass", (False, True))):
        assert isinstance(found := parse(f"{CREATE} {flag}"), Invocation)
        assert (found.how.dry_run, found.how.break_glass) == how
    assert isinstance(same := parse(f"{CREATE} --reason=outage --reason outage"), Invocation)
    assert same.how.reason == "outage"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs --dry-run", "jobs makes no plan that --dry-run could show, so nothing was done"),
        ("jobs --reason outage", "jobs makes no plan that --reason could be for"),
        ("jobs --break-glass", "jobs makes no plan that --break-glass could be for"),
        (f"{CREATE} --dry-run=yes", "--dry-run takes no value: write --dry-run"),
        (f"{CREATE} --reason", "--reason needs a text"),
        (f"{CREATE} --reason --dry-run", "--reason needs a text"),
        (f"{CREATE} --reason ' '", "--reason needs a text"),
        (f"{CREATE} --reason a --reason b", "--reason is given twice"),
        (f"{CREATE} --reason {'x' * (MAX_REASON + 1)}", f"use at most {MAX_REASON}"),
        ("jobs acme beta", "put texts with spaces in quotes"),
    ],
)
def test_how_it_cannot_be_run_is_said(text: str, said: str) -> None:
    assert isinstance(found := parse(text), UsageError)
    assert said in found.message


def test_the_longest_that_is_read_is_read_whole() -> None:
    """One letter more is refused."""
    assert isinstance(found := parse(f"{CREATE} --reason {'x' * MAX_REASON}"), Invocation)
    assert len(found.how.reason) == MAX_REASON
    assert isinstance(parse("jobs" + " " * (MAX_TEXT - 4)), Invocation)
    assert isinstance(found_long := parse("jobs" + " " * (MAX_TEXT - 3)), UsageError)
    assert f"that is {MAX_TEXT + 1} characters long" in found_long.message


@pytest.mark.parametrize("typed", ["/CLEARML jobs", "/clearml  jobs", "JOBS"])
def test_shouting_is_understood(typed: str) -> None:
    """Also a phone's capital at the beginning; what is shown again is the command alone."""
    assert isinstance(found := parse(typed), Invocation)
    assert found.text.lower() == "jobs"
    assert isinstance(parse("tenant HELP"), HelpRequest)
    assert isinstance(parse("HELP"), HelpRequest)


def test_missing_fields_are_named_for_a_form() -> None:
    """A form can be opened for what is missing and show what is wrong at each field."""
    found = parse("tenant create acme --max-pods -1")
    assert isinstance(found, UsageError)
    assert found.spec is CATALOG["tenant create"]
    assert found.missing == ("admin_email",)
    assert [name for name, _ in found.fields] == ["max_pods"]


def test_values_of_a_form_are_read_as_those_of_a_text() -> None:
    """What a form hands over is checked alike; a field that no command has is refused, not a fault."""
    spec = CATALOG["tenant create"]
    built = build(spec, {"name": "acme", "admin_email": "ana@acme.example", "queues": ("1", "0.5"), "ports": False})
    assert isinstance(built, Invocation)
    assert built.args == _args(f"{CREATE} --queues 1,0.5")
    assert _args(built.text) == built.args
    odd = build(spec, {"name": "acme", "admin_email": "ana@acme.example", "colour": "red"})
    assert isinstance(odd, UsageError)
    assert odd.message == "colour: is not known"
