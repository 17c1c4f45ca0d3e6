"""Every policy of docs/policies.md is one, and its table holds, through `policy test`."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text(encoding="utf-8")
RECIPES = re.findall(r"^### (.+?)$.*?```yaml\n(rules:.*?|groups:.*?)```\n+```yaml\n(tests:.*?)```", PAGE, re.M | re.S)


def test_every_recipe_is_found() -> None:
    """Each heading of the cook-book has a policy and a table."""
    book = PAGE.partition("## Cook-book")[2].partition("\n## ")[0]
    assert [name for name, _, _ in RECIPES] == re.findall(r"^### (.+)$", book, re.M)
    assert len(RECIPES) >= 6


@pytest.mark.parametrize(("policy", "table"), [recipe[1:] for recipe in RECIPES], ids=[one[0] for one in RECIPES])
def test_a_recipe_holds(policy: str, table: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(policy)
    (tmp_path / "table.yaml").write_text(f"policy: policy.yaml\n{table}")
    done = CliRunner().invoke(app, ["policy", "test", str(tmp_path / "table.yaml")])
    assert done.exit_code == 0, done.output


def test_what_does_not_hold_is_shown_rule_by_rule(tmp_path: Path) -> None:
    """The line's name, what came instead, and each rule that was looked at; the exit code says it too."""
    (tmp_path / "p.yaml").write_text("rules:\n- {name: all, subjects: [acme], effect: allow}\n")
    (tmp_path / "t.yaml").write_text(
        "policy: p.yaml\ntests:\n"
        "- {name: held, command: tenant create acme, expect: allow}\n"
        "- {name: broken, command: tenant create other, roles: [operator], expect: approve}\n"
        "- {name: no command, command: tenant crate, expect: deny}\n"
        "- {name: nobody, command: tenant create acme, roles: [boss], expect: allow}\n"
        "- {name: no rule, command: tenant create acme, expect: allow, rule: al}\n"
    )
    done = CliRunner().invoke(app, ["policy", "test", str(tmp_path / "t.yaml")])
    assert done.exit_code == 1
    assert "ok    1 held" in done.output
    assert "FAIL  2 broken" in done.output
    assert "expected approve, but it is denied: no rule of the policy allows tenant create here" in done.output
    assert "line 2: all does not match: subjects: wants acme, here: other" in done.output
    assert "did you mean /clearml tenant create" in done.output
    assert "no role or group is called boss: name viewer or operator or approver or admin" in done.output
    assert "the policy has no rule al: did you mean all?" in done.output
    assert "1 of 5 held" in done.output


def test_capacity_can_be_expected(tmp_path: Path) -> None:
    """What the plan says of room is a condition as any other."""
    (tmp_path / "p.yaml").write_text(
        "rules:\n- {name: full, lacks_room: true, effect: approve}\n"
        "- {name: over, overcommit_over: 1.5, effect: approve}\n- {name: rest, effect: allow}\n"
    )
    (tmp_path / "t.yaml").write_text(
        "policy: p.yaml\ntests:\n"
        "- {name: room, command: tenant create acme, expect: allow, rule: rest}\n"
        "- {name: no room, command: tenant create acme, lacks_room: true, expect: approve, rule: full}\n"
        "- {name: over, command: tenant create acme, overcommit: 2, expect: approve, rule: over}\n"
    )
    done = CliRunner().invoke(app, ["policy", "test", str(tmp_path / "t.yaml")])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tests: []\n", "line 1: tests: has too few entries"),
        ("tests:\n- {name: a, command: jobs, expect: maybe}\n", "line 2: tests[0].expect: 'maybe' is wrong here"),
        ("tests:\n- {name: a, command: jobs, expect: deny, roels: [admin]}\n", "did you mean roles?"),
        ("tests:\n- {name: a, command: jobs, expect: deny, at: noon}\n", "'noon' is no date"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(text)
    done = CliRunner().invoke(app, ["policy", "test", str(tmp_path / "t.yaml")])
    assert done.exit_code == 2
    assert said in done.output


def test_a_policy_file_is_checked(tmp_path: Path) -> None:
    """Right: its digest, which sha256sum prints too. Wrong: the line."""
    import hashlib

    file = tmp_path / "policy.yaml"
    file.write_bytes(b"rules:\r\n- {name: a, effect: allow}\r\n")
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert done.exit_code == 0
    assert hashlib.sha256(file.read_bytes()).hexdigest() in done.output
    file.write_text("rules:\n- {name: a, effect: alow}\n")
    done = CliRunner().invoke(app, ["policy", "check", str(file)])
    assert done.exit_code == 1
    assert "line 2: rules[0].effect" in done.output
