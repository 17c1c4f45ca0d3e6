"""The grammar: text → a command, or what is wrong and what was perhaps meant. It never raises."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.catalog import CATALOG, TenantCreate
from commands.grammar import HelpRequest, Invocation, UsageError, build, parse, render

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
    ],
)
def test_what_chat_clients_do_to_text_is_undone(text: str) -> None:
    """Links, long dashes, smart quotes and hard spaces mean what was typed."""
    assert _args(text) == _args(CREATE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tennant create acme", "did you mean /clearml tenant create?"),
        ("tenant", "did you mean /clearml tenant create?"),
        ("reboot everything", "see /clearml help"),
        ("tenant create", "NAME and --admin-email are missing"),
        ("tenant create acme", "--admin-email is missing"),
        (f"{CREATE} --domian x.example", "did you mean --domain?"),
        (f"{CREATE} --admin-email bob@acme.example", "--admin-email is given twice"),
        (f"{CREATE} extra", "'extra' is one word too many"),
        (f"{CREATE} --max-pods", "--max-pods needs a value: --max-pods N"),
        (f"{CREATE} --max-pods many", "--max-pods: 'many'"),
        (f"{CREATE} --ports=yes", "--ports takes no value"),
        (f"{CREATE} --port-start 31000", "--port-start needs --ports"),
        (f"{CREATE} --queues 1,2", "'2' is no share of a GPU"),
        (f"{CREATE} --queues NaN", "no share of a GPU"),
        ("tenant create Acme_Corp --admin-email ana@acme.example", "'Acme_Corp' is no tenant name"),
        ("tenant create ab --admin-email ana@acme.example", "use 3 to 40"),
        ("tenant create -f --admin-email ana@acme.example", "'-f' is no tenant name"),
        ("tenant create acme --admin-email ana", "'ana' is no e-mail address"),
        (f"{CREATE} --domain localhost", "'localhost' is no domain"),
        ("job show 0", "JOB: '0'"),
        ("jobs 'acme", "a quote is opened"),
        ("x" * 5000, "5000 characters long"),
    ],
)
def test_a_usage_error_says_what_is_wrong(text: str, said: str) -> None:
    found = parse(text)
    assert isinstance(found, UsageError), found
    assert said in found.message


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


def test_dry_run_belongs_to_commands_that_change() -> None:
    assert isinstance(found := parse(f"{CREATE} --dry-run"), Invocation)
    assert found.dry_run
    assert isinstance(parse("jobs --dry-run"), UsageError)


def test_missing_fields_are_named_for_a_form() -> None:
    """A form can be opened for what is missing and show what is wrong at each field."""
    found = parse("tenant create acme --max-pods -1")
    assert isinstance(found, UsageError)
    assert found.spec is CATALOG["tenant create"]
    assert found.missing == ("admin_email",)
    assert [name for name, _ in found.fields] == ["max_pods"]


@given(st.text(max_size=400))
def test_it_never_raises(text: str) -> None:
    """Whatever is typed: a command, help, or a usage error."""
    assert isinstance(parse(text), Invocation | UsageError | HelpRequest)


@given(
    st.lists(
        st.sampled_from(
            [
                *[
                    "tenant",
                    "create",
                    "job",
                    "show",
                    "--ports",
                    "--queues",
                    "1,0.5",
                    "--",
                    "-",
                    "=",
                    "'",
                    '"',
                    "\\",
                    "<",
                    ">",
                    "&",
                    "41",
                    "--no-ports",
                ]
            ]
        ),
        max_size=9,
    )
)
def test_it_never_raises_near_the_grammar(words: list[str]) -> None:
    assert isinstance(parse(" ".join(words)), Invocation | UsageError | HelpRequest)


@given(
    name=st.from_regex(r"[a-z][a-z0-9-]{1,20}[a-z0-9]", fullmatch=True),
    admin=st.from_regex(r"[a-z.%+'-]{1,12}@[a-z]{1,9}\.example", fullmatch=True),
    person=st.text(st.characters(categories=["L", "N"], include_characters=" '"), min_size=1, max_size=20),
    queues=st.lists(st.sampled_from(["1", "0.5", "0.25", "0.125"]), min_size=1, max_size=4, unique=True),
    pods=st.integers(1, 1000),
    ports=st.booleans(),
)
def test_a_rendered_command_parses_back(
    name: str, admin: str, person: str, queues: list[str], pods: int, ports: bool
) -> None:
    """render() is parse()'s inverse: what the audit shows can be run again."""
    spec = CATALOG["tenant create"]
    values = {
        "name": name,
        "admin_email": admin,
        "admin_name": person,
        "queues": queues,
        "max_pods": pods,
        "ports": ports,
    }
    built = build(spec, {key: value for key, value in values.items() if value != ""})
    if isinstance(built, Invocation):
        again = parse(render(spec, built.args))
        assert isinstance(again, Invocation), again
        assert again.args == built.args
