"""Specs as files: what is written is read back the same; what is wrong is named by document, field and line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands.tenants import TenantCreate
from provisioning.fleet.spec_files import MOST_BYTES, MOST_TENANTS, SpecFileError, read, write
from provisioning.operations.tenant_spec import recorded
from tests.unit.test_grammar_properties import _TENANTS

ACME = "name: acme\nadmin_email: ana@acme.example\n"
BETA = "name: beta\nadmin_email: bo@beta.example\n"


def problems(text: str) -> list[str]:
    with pytest.raises(SpecFileError) as raised:
        read(text)
    return [str(problem) for problem in raised.value.problems]


@given(_TENANTS)
def test_what_is_written_is_read_back(values: dict[str, object]) -> None:
    """Whatever a command can say: apostrophes, leading zeros, yes and no are texts."""
    try:
        spec = TenantCreate.model_validate(values)
    except ValueError:
        return  # a person's name that no name is
    (again,) = read(write([spec]))
    assert again == spec
    assert recorded(again) == recorded(spec)


def test_several_tenants_are_several_documents() -> None:
    """In their order; empty documents and comments between them are none."""
    found = read(f"# ours\n---\n{ACME}---\n---\n# only a comment\n---\n{BETA}max_resources: 8\nports: true\n")
    assert [(spec.name, str(spec.max_resources), spec.ports) for spec in found] == [
        ("acme", "3", False),
        ("beta", "8", True),
    ]
    assert read(write(found)) == found


@given(st.sampled_from(["0123", "yes", "no", "null", "1e5", "on"]))
def test_names_that_yaml_would_guess_at_are_texts(name: str) -> None:
    """YAML's own reading would make other things of them."""
    if len(name) < 3:
        return
    assert read(f"name: {name}\nadmin_email: ana@acme.example\n")[0].name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: it is empty: begin with what tenant export writes"),
        ("# nothing\n", "it is empty"),
        (f"{ACME}---\n{BETA}max_pods: many\n", "document 2, line 6: max_pods: 'many' is no whole number"),
        (f"{ACME}---\nname: beta\n", "document 2, line 4: admin_email: is missing"),
        (f"{ACME}max_pod: 3\n", "document 1, line 3: max_pod: is not known: did you mean max_pods?"),
        (f"{ACME}domains: [acme.example, nodomain]\n", "document 1, line 3: domains[1]: 'nodomain' is no domain"),
        (f"{ACME}name: beta\n", "document 1, line 3: name: stands here again, after line 1"),
        (f"{ACME}---\n{ACME}", "document 2, line 4: name: acme stands in document 1 already"),
        (f"{ACME}---\n{BETA}domains: [acme.example]\n", "domains: acme.example stands in document 1 already"),
        (
            f"{ACME}ports: true\nport_start: 31010\n---\n{BETA}ports: true\nport_start: 31020\n",
            "port_start: 31020-31030 overlaps 31010-31020 of document 1",
        ),
        ("a: &x 1\nb: *x\n", "aliases (*name) are refused"),
        ("name: !!str acme\n", "tags (!name) are refused"),
        ("- acme\n", "document 1, line 1: must be a mapping"),
        ("name: [\n", "not YAML"),
        (f"{ACME}{'#' * MOST_BYTES}\n", f"at most {MOST_BYTES} are read at once"),
        ("---\n".join(ACME for _ in range(MOST_TENANTS + 1)), f"{MOST_TENANTS + 1} documents: at most"),
        ("[" * 10_000, "nested too deep"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    """Document, line, field, and what to write instead."""
    assert any(said in problem for problem in problems(text)), problems(text)
