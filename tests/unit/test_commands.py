"""The catalog: every command is typed, explained and shown by an example; one request has one spelling."""

import re
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from commands.catalog import CATALOG
from commands.grammar import HelpRequest, Invocation, UsageError, parse
from commands.help import help_of
from commands.spec import DRY_RUN, CommandArgs, CommandSpec, Risk, flag_of, is_positional
from commands.tenants import TenantCreate
from provisioning.operations.registry import OPERATIONS

CREATE = CATALOG["tenant create"]


def _tenant(**more: Any) -> TenantCreate:
    return TenantCreate.model_validate({"name": "acme", "admin_email": "ana@acme.example"} | more)


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG)
def test_every_command_is_whole(spec: CommandSpec) -> None:
    """A summary, a description of each argument, frozen arguments that refuse unknown ones."""
    assert spec.name == spec.name.lower()
    assert spec.summary
    assert not spec.summary.endswith(".")
    assert all(field.description for field in spec.args.model_fields.values())
    assert spec.args.model_config.get("frozen")
    assert spec.args.model_config.get("extra") == "forbid"
    if any(field.is_required() for field in spec.args.model_fields.values()):
        assert spec.examples


@pytest.mark.parametrize("spec", CATALOG.values(), ids=CATALOG)
def test_help_names_every_argument_and_shows_every_example(spec: CommandSpec) -> None:
    """Help cannot drift from the model: it is made of its fields."""
    told = help_of(spec)
    assert spec.usage in told
    for name, field in spec.args.model_fields.items():
        if not is_positional(field):
            assert flag_of(name, field) in told
        assert str(field.description) in told
    for example in spec.examples:
        assert f"/clearml {example}" in told
        assert isinstance(parse(example), Invocation)


def test_no_command_hides_another() -> None:
    """A one-word command is no family's first word: its argument could be taken for a verb."""
    first_words = {name.split()[0] for name in CATALOG if " " in name}
    assert first_words.isdisjoint(CATALOG)
    assert all(len(name.split()) <= 3 for name in CATALOG)


def test_only_commands_that_make_a_plan_take_a_dry_run() -> None:
    """A command that would do its work in spite of --dry-run refuses the word instead."""
    assert {name for name, spec in CATALOG.items() if spec.takes_dry_run} == set(OPERATIONS)
    for spec in CATALOG.values():
        assert spec.takes_dry_run == (DRY_RUN in spec.usage) == (DRY_RUN in help_of(spec))
        assert not (spec.takes_dry_run and spec.risk is Risk.READ)
    for command in ("job rollback 41", "job retry 41", "jobs"):
        refused = parse(f"{command} --dry-run")
        assert isinstance(refused, UsageError)
        assert "so nothing was done" in refused.message


def test_usage_is_generated_from_the_fields() -> None:
    assert CREATE.usage == (
        "tenant create NAME --admin-email ADDRESS [--admin-name NAME] [--domain DOMAIN …] [--queues SHARES …]"
        " [--max-resources GPUS] [--max-pods N] [--ports] [--port-start PORT] [--max-services N]"
        " [--router] [--router-host HOST] [--user ADDRESS:ROLE …] [--max-users N] [--max-apps N]"
        " [--chart-version VERSION] [--dry-run]"
    )
    assert CATALOG["job retry"].usage == "job retry JOB"
    assert CATALOG["jobs"].usage == "jobs [TENANT] [--limit N]"


def test_help_of_all_and_of_a_family() -> None:
    """Help without a command lists all of them; with a first word, those that begin with it."""
    everything = parse("help")
    assert isinstance(everything, HelpRequest)
    assert all(
        re.search(rf"^  {name} +{re.escape(spec.summary)}$", everything.text, re.MULTILINE)
        for name, spec in CATALOG.items()
    )
    assert set(everything.commands) == set(CATALOG)
    jobs = parse("help job")
    assert isinstance(jobs, HelpRequest)
    assert [line.partition(":")[0] for line in jobs.text.splitlines()] == [
        f"/clearml job {verb}" for verb in ("show", "retry", "rollback", "leave", "cancel", "review")
    ]


@pytest.mark.parametrize(
    ("given", "field", "expected"),
    [
        ({"max_resources": "3.00"}, "max_resources", "3"),
        ({"max_resources": "1e2"}, "max_resources", "100"),
        ({"max_resources": "0.50"}, "max_resources", "0.5"),
        ({"queues": ["1.0", "0.50", ".5", "1"]}, "queues", ["1", "0.5"]),
        ({"queues": ["none"]}, "queues", "none"),
        ({"domains": ["ACME.example", "acme.example.", "@acme.example"]}, "domains", ["acme.example"]),
        ({"admin_name": "  Ana\u00a0 O\u2019Brien "}, "admin_name", "Ana O'Brien"),
        ({"admin_name": "Jose\u0301"}, "admin_name", "Jos\u00e9"),
        ({"admin_email": "Ana@ACME.example"}, "admin_email", "Ana@acme.example"),
    ],
)
def test_one_request_has_one_spelling(given: dict[str, Any], field: str, expected: Any) -> None:
    """Two spellings of one request must not give two digests."""
    assert _tenant(**given).model_dump(mode="json")[field] == expected


def test_a_stored_request_is_read_back_the_same() -> None:
    """Plans keep the request as JSON and are planned again from it."""
    args = _tenant(queues=["1", "0.125"], max_resources="7.5", ports=True, port_start=31_010, admin_name="Zoë O'Hara")
    assert TenantCreate.model_validate(args.model_dump(mode="json")) == args


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("ana@acme.example", "Ana"),
        ("ana.maria_lopez@acme.example", "Ana Maria Lopez"),
        ("jean-luc+ops@acme.example", "Jean-Luc"),
        ("o'brien@acme.example", "O'Brien"),
        ("%%@acme.example", "Admin"),
    ],
)
def test_the_admins_name_comes_from_the_address(address: str, name: str) -> None:
    args = _tenant(admin_email=address)
    assert (args.admin_name, args.domains) == (name, ("acme.example",))


@pytest.mark.parametrize(
    "given",
    [
        {"queues": []},
        {"queues": ["none", "1"]},
        {"queues": ["1e-9"]},
        {"queues": ["\u0661"]},
        {"queues": ["."]},
        {"queues": [f"0.{number:03}" for number in range(1, 30)]},
        {"domains": [f"a{number}.example" for number in range(30)]},
        {"max_resources": "NaN"},
        {"max_resources": "Infinity"},
        {"max_resources": 0},
        {"max_pods": 0},
        {"max_services": 501},
        {"admin_name": "x" * 81},
        {"admin_name": "<script>"},
        {"admin_name": "--help"},
        {"admin_name": "line\nbreak\x1b[31m"},
        {"admin_email": "a..b@acme.example"},
        {"admin_email": "a@b@acme.example"},
        {"admin_email": f"{'x' * 65}@acme.example"},
        {"domains": ["10.0.0.1"]},
        {"domains": [f"{'x' * 64}.example"]},
        {"colour": "red"},
    ],
)
def test_what_no_tenant_can_have_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        _tenant(**given)


def test_the_defaults_are_the_documented_ones() -> None:
    args = _tenant()
    assert (args.queues, args.max_resources, args.max_pods) == (("1", "0.5", "0.25"), Decimal(3), 10)
    assert (args.ports, args.port_start, args.max_services) == (False, None, 10)
    assert isinstance(args, CommandArgs)
