"""Every command of the command line's own: --json, help that reads well, exit codes as documented.

Those of the catalog are in test_cli_json.py. Both tables are held against what the command line has.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from bot import app as bot_app
from bot import doctor
from bot.cli import app
from bot.cli_app import EXIT_CODES
from bot.cli_failures import Code, exit_of
from bot.manual import EXIT_STATUS
from provisioning import tools
from provisioning.evidence.trail import Event
from sandbox import cli as sandbox_cli
from tests.integration.store_samples import open_store
from tests.integration.test_cli_evidence import SETTINGS

# Words of each → what its JSON has, one of them at least. `approve` and `deny`: tests/unit/test_cli_json.py.
OWN: Mapping[str, tuple[tuple[str, ...], set[str]]] = {
    "serve": ((), {"message"}),
    "sandbox": ((), {"page"}),
    "doctor": ((), {"ok", "findings"}),
    "tools install": ((), {"helm", "kubectl"}),
    "tools path": ((), {"helm", "kubectl"}),
    "config check": ((), {"ok", "problems", "rules"}),
    "config schema": ((), {"properties"}),
    "config policy": ((), {"version", "rules"}),
    "backup": (("{folder}/backups",), {"folder"}),
    "restore": (("{backup}",), {"restored", "aside"}),
    "audit verify": ((), {"ok", "problems", "rows", "head"}),
    "audit verifier": ((), {"name", "program"}),
    "audit list": ((), {"seq", "action"}),
    "audit export": (("{folder}/acme.jsonl", "--tenant", "acme"), {"file", "rows", "format", "tenant"}),
    "audit seal": (("--before", "2026-06-01"), {"file", "first", "last", "sha256"}),
    "audit key public": ((), {"key", "public_pem"}),
    "audit key rotate": ((), {"key", "public_pem"}),
    "policy check": (("{policy}",), {"ok", "file", "problems", "digest", "rules"}),
    "policy test": (("{table}",), {"ok", "file", "expectations"}),
    "policy schema": ((), {"properties"}),
    "policy status": ((), {"ok", "file", "problems", "digest", "in_use"}),
    "platform init": (("{folder}/platform.yaml",), {"file", "schema"}),
    "platform schema": ((), {"properties"}),
    "platform check": (("{spec}",), {"ok", "file", "problems", "components"}),
}


def commands_of(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield every page of help: each group and each command, by its words."""
    yield " ".join(path), group
    for name, child in (getattr(group, "commands", None) or {}).items():
        yield from commands_of(child, (*path, name))


PAGES = dict(commands_of(typer.main.get_command(app)))
CATALOGS = {name for name, page in PAGES.items() if page.context_settings.get("allow_extra_args")}
LEAVES = {name for name, page in PAGES.items() if not hasattr(page, "commands")}

# Words with which a command of the catalog is whole, where its first verb is not enough.
COMPLETE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("approve", "deny"), ("1",)),
    "tenant": ("list",),
    "node": ("mig", "status"),
    "digest": ("list",),
    "job": ("show", "1"),
    "approval": ("recall", "U1"),
    "policy explain": ("tenant create acme",),
}
NEED_SETTINGS = CATALOGS | {"approve", "deny", "backup", "config check", "doctor", "policy status", "restore", "serve"}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Settings, a trail, a policy, a table and a spec; what would go on for ever says a line instead."""
    data = tmp_path / "data"
    for name, value in {**SETTINGS, "DATA_DIR": str(data)}.items():
        monkeypatch.setenv(f"CLEARML_CHATOPS_{name}", value)
    store = open_store(data)
    for subject in ("acme", "globex", "acme"):
        store.record(Event(action="test.done", actor="UANA", subject=subject))
    store.close()
    policy, table, spec = tmp_path / "policy.yaml", tmp_path / "table.yaml", tmp_path / "spec.yaml"
    policy.write_text(run("config", "policy").stdout)
    table.write_text("policy: policy.yaml\ntests:\n  - {name: look, command: jobs, roles: [viewer], expect: allow}\n")
    run("platform", "init", str(spec))
    paths = tools.ToolPaths(helm=Path("/bin/helm"), kubectl=Path("/bin/kubectl"))
    monkeypatch.setattr(tools, "install", lambda progress: paths)
    monkeypatch.setattr(tools, "locate", lambda _: paths)
    monkeypatch.setattr(doctor, "looks", lambda _: [])
    monkeypatch.setattr(bot_app, "serve", serve)
    monkeypatch.setattr(sandbox_cli, "run", sandbox_runs)
    return {"folder": str(tmp_path), "policy": str(policy), "table": str(table), "spec": str(spec)}


def serve(settings: Any, _stop: object) -> None:
    typer.echo(json.dumps({"message": "listens"}) if settings.log_format == "json" else "listens")


def sandbox_runs(*, json_output: bool, **_: object) -> int:
    typer.echo(json.dumps({"page": "http://127.0.0.1:1"}) if json_output else "open it")
    return 0


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words), terminal_width=80)


def test_no_command_is_missing_from_the_tables() -> None:
    """A new command without --json fails here first."""
    assert LEAVES - CATALOGS - {"approve", "deny"} == set(OWN)


@pytest.mark.parametrize("name", sorted(OWN))
def test_what_is_printed_with_json_is_json(name: str, world: dict[str, str]) -> None:
    """One object a line on standard output, with what it promises; without --json none of that."""
    words, promised = OWN[name]
    if "{backup}" in words:
        world["backup"] = run("backup", world["folder"]).stdout.strip()
    said = run(*name.split(), *(word.format(**world) for word in words), "--json")
    assert said.exit_code == 0, said.output
    found = [json.loads(line) for line in said.stdout.splitlines()]
    assert found
    assert all(isinstance(one, dict) and promised <= set(one) for one in found)


@pytest.mark.parametrize("name", sorted(LEAVES - CATALOGS))
def test_json_is_said_the_same_way_everywhere(name: str) -> None:
    """One word for it, and no other."""
    options = {option for parameter in PAGES[name].params for option in parameter.opts}
    assert "--json" in options


def test_the_policy_as_json_is_the_policy(world: dict[str, str]) -> None:
    """JSON is YAML: what is printed can be used as a file."""
    file = Path(world["folder"]) / "policy.json"
    file.write_text(run("config", "policy", "--json").stdout)
    as_json, as_yaml = run("policy", "show", "--help"), run("policy", "check", str(file), "--json")
    assert as_json.exit_code == 0
    assert json.loads(as_yaml.stdout)["rules"] == json.loads(run("config", "check", "--json").stdout)["rules"]


@pytest.mark.parametrize(
    ("words", "file"),
    [(("policy", "check"), "rules: 3"), (("platform", "check"), "gpu_operator: 3")],
)
def test_a_check_that_finds_something_says_it_as_data(words: tuple[str, ...], file: str, tmp_path: Path) -> None:
    """``ok`` is false, the problems are named by line, and the code is 1."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(file)
    said = run(*words, str(wrong), "--json")
    assert said.exit_code == 1
    found = json.loads(said.stdout)
    assert found["ok"] is False
    assert "line 1" in found["problems"][0]


def test_settings_that_are_missing_are_named_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the names that are to be set, not by those of their groups; the code is 3."""
    for name in SETTINGS:
        monkeypatch.delenv(f"CLEARML_CHATOPS_{name}", raising=False)
    said = run("config", "check", "--json")
    assert said.exit_code == 3
    problems = json.loads(said.stdout)["problems"]
    named = {problem.partition(":")[0].removeprefix("CLEARML_CHATOPS_") for problem in problems}
    assert named == set(SETTINGS) - {"REDIS__PASSWORD"} | {"REDIS"}
    assert "CLEARML_CHATOPS_CLEARML__API_URL: is missing" in problems
    assert any("set REDIS__PASSWORD, or REDIS__PASSWORD_SECRET" in problem for problem in problems)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_wrong_usage_is_one_object_with_json(name: str) -> None:
    """Of every command and group: an option, or a word, that there is not; the code is 2."""
    said = run(*name.split(), "--no-such-option", "--json")
    assert (said.exit_code, said.stdout) == (2, "")
    error = json.loads(said.stderr)["error"]
    assert error["code"] == "usage"
    assert error["message"]
    assert error["next"]


@pytest.mark.parametrize("name", sorted(LEAVES - {"sandbox"}))
def test_settings_that_are_not_right_are_one_object_with_json(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever fails without them; what needs none of them answers. Nothing is half of both."""
    monkeypatch.setenv("CLEARML_CHATOPS_CONFIG_FILE", str(tmp_path))  # a folder cannot be read
    monkeypatch.setenv("CLEARML_CHATOPS_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(tools, "install", lambda progress: tools.ToolPaths(helm=Path("h"), kubectl=Path("k")))
    monkeypatch.chdir(tmp_path)
    said = run(*name.split(), *COMPLETE.get(name, OWN.get(name, ((), None))[0]), "--json")
    for line in said.stdout.splitlines():
        json.loads(line)
    errors = [json.loads(line)["error"] for line in said.stderr.splitlines() if "error" in json.loads(line)]
    assert len(errors) == (said.exit_code != 0), said.output
    if name in NEED_SETTINGS:
        assert (said.exit_code, errors[0]["code"]) == (3, "not_set_up")
        assert "Is a directory" in errors[0]["message"]
        assert "CLEARML_CHATOPS_CONFIG_FILE" in errors[0]["next"]


def test_each_line_of_a_list_is_what_the_command_says_of_itself() -> None:
    """Lists say it without importing the command."""
    root: Any = typer.main.get_command(app)
    assert {name: late.about for name, late in root.late.items()} == {
        name: PAGES[name].get_short_help_str(limit=80) for name in root.late
    }


@pytest.mark.parametrize("name", sorted(PAGES))
def test_help_reads_well_on_80_columns(name: str) -> None:
    """Nothing is cut, no line is longer, no type of Python's is shown."""
    said = run(*name.split(), "--help")
    assert said.exit_code == 0
    lines = said.stdout.splitlines()
    assert [line for line in lines if line.endswith("...") and not line.startswith("Usage:")] == []
    assert [line for line in lines if len(line) > 80] == []
    assert [word for word in ("list[", "<str>", "<path>", "<int", "Path]", "{") if word in said.stdout] == []


@pytest.mark.parametrize("name", sorted(name for name in LEAVES if PAGES[name].epilog))
def test_examples_in_help_are_of_the_command_and_its_options(name: str) -> None:
    """An option that is renamed is renamed in its example."""
    options = {option for parameter in PAGES[name].params for option in parameter.opts}
    for line in PAGES[name].epilog.splitlines():
        words = line.partition(" >")[0].split()
        assert " ".join(words[: len(name.split()) + 1]) == f"clearml-chatops {name}"
        assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("policy", "check", "{policy}"), 0),
        (("policy", "check", "{folder}/none.yaml"), 1),
        (("audit", "seal", "--before", "2020-01-01"), 1),
        (("restore", "{folder}"), 1),
        (("platform", "init", "{spec}"), 1),
        (("tenant", "crate"), 2),
        (("audit", "seal", "--before", "soon"), 2),
        (("audit", "export", "-", "--format", "csv", "--json"), 2),
        (("capacity", "fits", "--model", "none"), 2),
        (("policy", "test", "{policy}"), 2),
        (("nothing",), 2),
    ],
)
def test_exit_codes_are_the_documented_ones(words: tuple[str, ...], code: int, world: dict[str, str]) -> None:
    """0 done, 1 refused or failed, 2 wrong usage, with the next action on standard error; 3 not set up, above."""
    said = run(*(word.format(**world) for word in words))
    assert said.exit_code == code, said.output
    if code:
        assert said.stdout == ""
        assert any(word in said.stderr for word in ("next: ", '"next": ', "Try '"))
    assert [number for number, _ in EXIT_STATUS] == ["0", "1", "2", "3", "130"]
    assert all(f"{number} " in EXIT_CODES for number in "0123")


def test_each_code_is_documented_with_its_exit_code() -> None:
    """Scripts rely on them: one that is renamed, or added in silence, fails here."""
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", page, re.MULTILINE)
    assert {code: int(number) for code, number in rows} == {code.value: exit_of(code) for code in Code}
