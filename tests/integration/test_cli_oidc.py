"""The command line by a token, as a CI job runs it: who it is, what the policy says, what the trail keeps."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.cli_actor import os_user
from bot.oidc.given import TOKEN, TOKEN_FILE
from bot.oidc.looks import looks
from bot.people import Everybody
from bot.settings import Settings, unknown_names
from policies.approvals import Actor, Approval
from policies.loader import load
from provisioning.checks.findings import Level, examine
from tests.integration.issuer import AUDIENCE, JWKS, SUBJECT, LoopbackIssuer, issuing
from tests.integration.store_samples import create, open_store
from tests.integration.test_cli_evidence import SETTINGS

ACTOR = f"oidc:ci:{SUBJECT}"
Run = Callable[..., Result]


@pytest.fixture
def issuer() -> Iterator[LoopbackIssuer]:
    with issuing() as running:
        yield running


@pytest.fixture
def put(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def put(**values: Any) -> None:
        for name, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(f"CLEARML_CHATOPS_{name}", text)

    return put


@pytest.fixture
def run(issuer: LoopbackIssuer, tmp_path: Path, put: Callable[..., None]) -> Run:
    """Settings with one issuer, and a viewer by token."""
    put(
        **SETTINGS,
        DATA_DIR=str(tmp_path / "data"),
        OIDC__ISSUERS__CI__URL=issuer.url,
        OIDC__ISSUERS__CI__AUDIENCE=AUDIENCE,
        ROLES={"viewer": [ACTOR, f"os:{os_user()}"]},
    )
    open_store(tmp_path / "data").close()

    def run(*words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, list(words), input=stdin)

    return run


def rows(data_dir: Path) -> list[dict[str, Any]]:
    store = open_store(data_dir)
    try:
        return store.audit_rows()
    finally:
        store.close()


def test_a_ci_job_is_who_its_token_says(issuer: LoopbackIssuer, run: Run, tmp_path: Path) -> None:
    """A process of its own, with the token in a file: roles by its id; the trail has the proof and not the token."""
    token = issuer.token()
    (tmp_path / "token").write_text(token + "\n")
    command = [sys.executable, "-m", "bot.cli", "--oidc-token-file", str(tmp_path / "token"), "whoami", "--json"]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout)
    assert (told["id"], told["roles"], told["by"]) == (ACTOR, ["viewer"], ACTOR)
    assert told["token"]["issuer_url"] == issuer.url
    proven = rows(tmp_path / "data")[-1]
    assert (proven["action"], proven["actor"]) == ("identity.proven", ACTOR)
    kept = proven["detail"]["token"]
    assert (kept["subject"], kept["token_id"], kept["expires_at"]) == (SUBJECT, "t-1", told["token"]["expires_at"])
    assert proven["detail"]["command"] == "whoami"
    written = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("chatops.db*"))
    assert not [part for part in token.split(".") if part.encode() in written]


def test_the_policy_asks_for_the_roles_of_the_token(issuer: LoopbackIssuer, run: Run, put: Any, tmp_path: Path) -> None:
    """A viewer by token reads and asks for nothing; a token of another subject may nothing at all."""
    put(OIDC_TOKEN=issuer.token())
    assert run("jobs").exit_code == 0
    denied = run("tenant", "suspend", "acme", "--dry-run")
    assert denied.exit_code == 1
    assert "operator" in denied.stderr, denied.stderr
    put(OIDC_TOKEN=issuer.token(sub="repo:acme/other:ref:refs/heads/main"))
    nobody = run("jobs")
    assert nobody.exit_code == 1
    assert "you are oidc:ci:repo:acme/other:ref:refs/heads/main here" in nobody.stderr
    actors = [(row["action"], row["actor"]) for row in rows(tmp_path / "data")]
    assert ("report.read", ACTOR) in actors
    assert actors[-1] == ("command.denied", "oidc:ci:repo:acme/other:ref:refs/heads/main")


@pytest.mark.parametrize("how", ["variable", "variable of a file", "option", "standard input"])
def test_a_token_is_never_among_the_words(issuer: LoopbackIssuer, run: Run, put: Any, tmp_path: Path, how: str) -> None:
    file, token = tmp_path / "token", issuer.token()
    file.write_text(token)
    words: tuple[str, ...] = ()
    match how:
        case "variable":
            put(OIDC_TOKEN=token)
        case "variable of a file":
            put(OIDC_TOKEN_FILE=str(file))
        case "option":
            put(OIDC_TOKEN="the option wins")
            words = ("--oidc-token-file", str(file))
        case _:
            words = ("--oidc-token-file", "-")
    assert ACTOR in run(*words, "whoami", stdin=token).stdout


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"OIDC_TOKEN": ""}, "the token is empty"),
        ({"OIDC_TOKEN": "hunter2"}, "no signed token"),
        ({"OIDC_TOKEN_FILE": ""}, "no file"),
        ({"OIDC_TOKEN_FILE": "/nowhere/token"}, "No such file"),
        ({"OIDC_TOKEN_FILE": "/"}, "Is a directory"),
        ({"OIDC_TOKEN_FILE": sys.executable}, "holds no token"),
        ({"OIDC_TOKEN_FILE": "/dev/zero"}, "no signed token|longer"),
        ({"OIDC_TOKEN": "a.b.c", "OIDC_TOKEN_FILE": "/nowhere"}, "both"),
    ],
)
def test_nobody_becomes_the_os_user_by_a_bad_token(
    run: Run, put: Any, tmp_path: Path, given: dict[str, str], words: str
) -> None:
    """A variable that came empty is a token that proves nothing: exit code 1, nothing read, and audited."""
    put(**given)
    for command in (("jobs",), ("whoami",), ("audit", "list"), ("audit", "key", "rotate"), ("approve", "1")):
        said = run(*command)
        assert said.exit_code == 1, (command, said.output)
        assert any(word in said.stderr.replace("\n", " ") for word in words.split("|")), said.stderr
        assert "next: " in said.stderr
        assert not said.stdout
        last = rows(tmp_path / "data")[-1]
        assert (last["action"], last["outcome"], last["actor"]) == ("identity.refused", "refused", f"os:{os_user()}")
    assert not list((tmp_path / "data").glob("audit.key.*")), "no key was changed"


def test_an_expired_token_is_refused_and_not_told(issuer: LoopbackIssuer, run: Run, put: Any, tmp_path: Path) -> None:
    token = issuer.token(exp=1_700_000_000, iat=1_699_999_000, nbf=None)
    put(OIDC_TOKEN=token)
    said = run("jobs")
    assert said.exit_code == 1
    assert "the token of ci is refused: it has expired" in said.stderr
    assert token.split(".")[1] not in said.output


def test_a_token_where_nobody_is_trusted_is_refused(run: Run, put: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "AUDIENCE"):
        monkeypatch.delenv(f"CLEARML_CHATOPS_OIDC__ISSUERS__CI__{name}")
    put(OIDC_TOKEN="a.b.c")
    said = run("whoami")
    assert said.exit_code == 1
    assert "no issuer is trusted" in said.stderr


def test_the_os_user_can_be_shut_out(issuer: LoopbackIssuer, run: Run, put: Any) -> None:
    """By a setting; without it both ways stay open."""
    assert f"os:{os_user()}: viewer" in run("whoami").stdout
    put(OIDC__REQUIRED="true")
    for command in (("whoami",), ("audit", "list"), ("audit", "seal", "--before", "1d")):
        said = run(*command)
        assert said.exit_code == 1, said.output
        assert "only taken from a token" in said.stderr
    put(OIDC_TOKEN=issuer.token())
    assert ACTOR in run("whoami").stdout


def test_evidence_is_written_under_the_tokens_name(issuer: LoopbackIssuer, run: Run, put: Any, tmp_path: Path) -> None:
    """Rows of what needs no role: a backup, its restore, a seal, a key."""
    put(OIDC_TOKEN=issuer.token())
    folder = run("backup", str(tmp_path / "backups")).stdout.strip()
    for words in (("audit", "key", "rotate"), ("restore", folder), ("audit", "export", "-"), ("audit", "list")):
        assert run(*words).exit_code == 0, words
    found = {row["action"]: row["actor"] for row in rows(tmp_path / "data")}
    assert {"identity.proven", "backup.made", "backup.restored", "audit.exported"} <= found.keys()
    assert {actor for action, actor in found.items() if action != "bot.started"} == {ACTOR}


def test_one_person_is_one_actor(issuer: LoopbackIssuer, run: Run, put: Any, tmp_path: Path) -> None:
    """The setting same_person: a sign-on and a Slack user are the same id, which approves no request of its own."""
    put(
        OIDC_TOKEN=issuer.token(sub="dana"),
        SAME_PERSON={"oidc:ci:dana": "UDANA", f"os:{os_user()}": "UDANA"},
        ROLES={"operator": ["UDANA"]},
    )
    told = json.loads(run("whoami", "--json").stdout)
    assert (told["id"], told["by"], told["roles"]) == ("UDANA", "oidc:ci:dana", ["operator"])
    assert run("jobs").exit_code == 0
    proven, read = rows(tmp_path / "data")[-2:]
    assert (proven["actor"], proven["detail"]["by"]) == ("UDANA", "oidc:ci:dana")
    assert read["actor"] == "UDANA"


def test_nobody_approves_their_own_request_by_the_other_door(
    issuer: LoopbackIssuer, run: Run, put: Any, tmp_path: Path
) -> None:
    """Asked for in Slack as UDANA, approved on the command line by a token that is hers; a colleague's counts."""
    store = open_store(tmp_path / "data")
    waiting = Approval(
        rule="r",
        approver_roles=frozenset({"approver"}),
        count=2,
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    job = create(store, requester=Actor(id="UDANA", name="dana", roles=frozenset({"approver"})), approval=waiting)
    store.close()
    put(
        SAME_PERSON={"oidc:ci:dana": "UDANA"},
        ROLES={"approver": ["UDANA", "oidc:ci:lee"]},
        OIDC_TOKEN=issuer.token(sub="dana"),
        CLUSTER__KUBECONFIG=str(kubeconfig(tmp_path)),
    )
    own = run("approve", str(job.number))
    assert (own.exit_code, "your own request" in own.stderr) == (1, True), own.output
    put(OIDC_TOKEN=issuer.token(sub="lee"))
    assert run("approve", str(job.number)).exit_code == 0
    votes = {row["action"]: row["actor"] for row in rows(tmp_path / "data") if row["job"]}
    assert (votes["vote.refused"], votes["job.approved"]) == ("UDANA", "oidc:ci:lee")


def kubeconfig(folder: Path) -> Path:
    """Return one of a cluster that nobody asks."""
    file, server = folder / "kubeconfig", {"server": "https://127.0.0.1:9"}
    names = {"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
    clusters = {"clusters": [{"name": "c", "cluster": server}], "users": [{"name": "u", "user": {}}]}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **names, **clusters}))
    return file


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"SAME_PERSON": {"oidc:ci:dana": "dana"}}, "no Slack user"),
        ({"SAME_PERSON": {"oidc:ci:dana": "SGROUP"}}, "no Slack user"),
        ({"SAME_PERSON": {"UDANA": "UDANA"}}, "on the command line"),
        ({"SAME_PERSON": {"oidc:ci:dana": "UDANA"}, "ROLES": {"admin": ["oidc:ci:dana"]}}, "SAME_PERSON"),
    ],
)
def test_who_is_one_person_is_said_once(run: Run, put: Any, given: dict[str, Any], words: str) -> None:
    """Roles of an id that is somebody else's would never count: it is a mistake."""
    put(**given)
    said = run("config", "check")
    assert said.exit_code == 3
    assert words in said.stderr.replace("\n", " ")


def test_settings_name_issuers_in_the_environment(run: Run, put: Any) -> None:
    """Level by level; a list as JSON. The variables of the token are no misspelt settings."""
    put(OIDC__ISSUERS__CI__CLAIMS={"repository": ["acme/infra"], "ref": "refs/heads/main"})
    issuer = Settings().oidc.issuers["ci"]
    assert issuer.claims == {"repository": frozenset({"acme/infra"}), "ref": "refs/heads/main"}
    assert unknown_names([TOKEN, TOKEN_FILE]) == ()
    put(OIDC__ISSUERS__CI__URL="http://ci.example.com")
    said = run("config", "check")
    assert said.exit_code == 3
    assert "CLEARML_CHATOPS_OIDC__ISSUERS__CI__URL: it must begin with https://" in said.stderr.replace("\n", " ")


def test_ids_of_tokens_stand_in_policies() -> None:
    """In groups, as os:NAME does; nobody in Slack can be told through them."""
    policy = load(
        f"version: 1\ngroups: {{robots: ['{ACTOR}']}}\nrules:\n"
        "  - {name: look, risks: [read], roles: [robots], effect: allow}\n"
    )
    everybody = Everybody({"viewer": frozenset({"oidc:ci:ana"})}, lambda: policy, lambda: None)
    assert everybody.actor(ACTOR).roles == {"robots"}
    assert everybody.actor("oidc:ci:ana").roles == {"viewer"}
    assert everybody.actor("oidc:ci:Ana").roles == frozenset()


def test_doctor_looks_at_issuers(issuer: LoopbackIssuer, run: Run, put: Any) -> None:
    """Whether keys can be had and used, and whether roles are given to ids that no issuer makes."""
    put(SLACK__BOT_TOKEN="xoxb-1", SLACK__APP_TOKEN="xapp-1", ROLES={"viewer": [ACTOR]})
    assert [one.level for one in examine(looks(Settings()))] == [Level.OK, Level.OK]
    issuer.has(("small", "RS1024"))
    put(ROLES={"admin": [ACTOR], "viewer": ["oidc:typo:ana"]})
    keys, typo, machine = examine(looks(Settings()))
    assert (keys.level, typo.level, machine.level) == (Level.FAIL, Level.FAIL, Level.WARN)
    assert "none of its keys" in keys.detail
    assert "oidc:typo:ana is of no issuer" in typo.detail
    assert "SAME_PERSON" in machine.next_action
    issuer.answer(JWKS, {}, status=500)
    assert "answered 500" in examine(looks(Settings()))[0].detail
