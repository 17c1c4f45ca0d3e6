"""`clearml-chatops platform init|check|schema`: a newcomer's way to a spec, without a bot or a cluster."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from bot.cli import app
from bot.cli_failures import CliError, Code
from bot.cli_jobs import _telling_who
from policies.approvals import Actor
from provisioning.platform.load import SCHEMA_NAME, example


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["platform", *words])
    return done.exit_code, done.output


def test_init_writes_a_spec_that_is_right_and_the_schema_that_editors_check_it_by(tmp_path: Path) -> None:
    """The comment in the spec names the file beside it; each step says the next one."""
    file = tmp_path / "platform.yaml"
    code, said = run("init", str(file))
    assert code == 0
    assert f"next: change it, then clearml-chatops platform check {file}" in said
    assert f"# yaml-language-server: $schema={SCHEMA_NAME}" in file.read_text().splitlines()
    schema = json.loads((tmp_path / SCHEMA_NAME).read_text())
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(file.read_text()))
    code, said = run("check", str(file))
    assert code == 0
    assert f"CLEARML_CHATOPS_PLATFORM__FILE={file}, then clearml-chatops platform plan" in said


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text("mine: 1\n")
    code, said = run("init", str(file))
    assert code == 1
    assert "File exists" in said
    assert "next: name another file" in said
    assert file.read_text() == "mine: 1\n"
    assert not (tmp_path / SCHEMA_NAME).exists()


def test_check_says_each_mistake_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text(example().replace("gpu.example.com", "gpu_x").replace("timeout_s: 900   ", "timeout_s: lots   ", 1))
    code, said = run("check", str(file))
    assert code == 1
    assert "line 18: base_domain: 'gpu_x' is no domain" in said
    assert "gpu_operator.timeout_s: 'lots' is no whole number" in said


def test_schema_prints_what_init_writes(tmp_path: Path) -> None:
    run("init", str(tmp_path / "platform.yaml"))
    assert run("schema") == (0, (tmp_path / SCHEMA_NAME).read_text())


@pytest.mark.parametrize(("roles", "told"), [(frozenset[str](), True), (frozenset({"viewer"}), False)])
def test_who_has_no_role_is_told_who_that_is(roles: frozenset[str], told: bool) -> None:
    """The setting needs the id, which nobody knows by heart."""
    actor = Actor(id="os:ana", name="ana", roles=roles)
    with pytest.raises(CliError) as caught, _telling_who(actor):
        raise CliError(Code.REFUSED, "not you", "ask an admin")
    assert "ask an admin" in caught.value.next_action
    assert ("you are os:ana here" in caught.value.next_action) is told
