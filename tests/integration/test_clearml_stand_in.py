"""The stand-in ClearML server is as strict as the real one: envelope, subcodes, roles, headers, order of checks."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.clearml.api import ACT_AS, IMPERSONATE, create_app
from sandbox.clearml.endpoints import ENDPOINTS
from sandbox.clearml.state import SUPERVISOR, ClearMLState
from sandbox.serving import LoopbackServer
from tests.integration.clearml_samples import Turned, client

JSON = dict[str, Any]


class Caller:
    """Calls the server raw, as curl would."""

    def __init__(self, url: str, state: ClearMLState) -> None:
        self.url = url
        self.state = state
        self.http = httpx.Client(base_url=url)
        self.system = (state.system_key, state.system_secret)
        self.company: str = self.ok("system.create_company", {"name": "acme"})["id"]
        self.admin = self.user("ana@acme.example", "admin")
        self.key = self.ok("auth.create_credentials", {}, {IMPERSONATE: self.admin})["credentials"]

    def user(self, email: str, role: str) -> str:
        body = {"name": "x", "company": self.company, "email": email, "role": role}
        return str(self.ok("auth.create_user", body)["id"])

    def post(self, path: str, body: object = None, headers: JSON | None = None, auth: Any = None) -> httpx.Response:
        return self.http.post(f"/{path}", json={} if body is None else body, headers=headers, auth=auth or self.system)

    def ok(self, path: str, body: object = None, headers: JSON | None = None, auth: Any = None) -> JSON:
        answer = self.post(path, body, headers, auth)
        assert answer.status_code == 200, answer.text
        data: JSON = answer.json()["data"]
        return data

    def kind(self, path: str, body: object = None, headers: JSON | None = None, auth: Any = None) -> tuple[int, int]:
        answer = self.post(path, body, headers, auth)
        meta = answer.json()["meta"]
        assert answer.status_code == meta["result_code"]
        return meta["result_code"], meta["result_subcode"]


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture
def state(clock: Turned) -> ClearMLState:
    return ClearMLState(clock=clock)


@pytest.fixture
def call(state: ClearMLState) -> Iterator[Caller]:
    server = LoopbackServer(create_app(state))
    caller = Caller(server.start(), state)
    yield caller
    caller.http.close()
    server.stop()


def test_the_envelope_is_the_real_ones(call: Caller) -> None:
    answer = call.post("v2.30/system.get_companies", headers={"X-Clearml-Trx": "trace-1"})
    meta = answer.json()["meta"]
    assert meta.keys() == {
        *("id", "trx", "endpoint", "result_code", "result_subcode", "result_msg", "error_stack", "error_data")
    }
    assert meta["endpoint"] == {
        "name": "system.get_companies",
        "requested_version": "2.30",
        "actual_version": "1.0",
    }
    assert (meta["trx"], meta["result_msg"]) == ("trace-1", "OK")


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        # paths and versions
        ("system.nothing", {}, {}, (404, 0)),
        ("tenants.create_tenant", {}, {}, (404, 0)),  # newer than this server
        ("system.delete_company", {}, {}, (404, 0)),  # does not exist
        ("login.get_domains", {}, {}, (404, 0)),  # does not exist
        ("v2.1/queues.get_all", {}, {}, (404, 0)),  # came with 2.4
        ("v2.4/queues.get_all", {}, {}, (200, 0)),
        ("queues.get_all/", {}, {}, (200, 0)),
        ("", {}, {}, (400, 0)),
        ("api/queues.get_all", {}, {}, (400, 0)),
        # bodies
        ("system.create_company", {}, {}, (400, 12)),
        ("system.create_company", {"name": None}, {}, (400, 12)),
        ("system.create_company", {"name": 7}, {}, (400, 12)),
        ("system.create_company", {"name": "ab"}, {}, (400, 12)),
        ("system.create_company", {"name": "other", "colour": "red"}, {}, (400, 12)),
        ("system.create_company", {"name": "ACME"}, {}, (400, 801)),
        ("system.get_companies", [], {}, (200, 0)),
        ("system.get_companies", [1], {}, (500, 0)),
        ("system.get_companies", {"name_pattern": "("}, {}, (400, 21)),
        ("system.company_info", {"company": "nope"}, {}, (400, 10)),
        ("auth.login", {"expiration_sec": True}, {}, (400, 12)),
        ("auth.login", {"expiration_sec": 99_999_999}, {}, (400, 12)),
        ("users.get_all_ex", {"page": -1}, {}, (400, 12)),
        ("users.get_all_ex", {"page_size": 0}, {}, (400, 12)),
        # users
        ("auth.create_user", {"name": "x", "company": "nope", "email": "x@y.example"}, {}, (400, 10)),
        ("auth.create_user", {"name": "x", "company": "{company}", "email": "nonsense"}, {}, (400, 800)),
        ("auth.create_user", {"name": "x", "company": "{company}", "email": "ana@acme.example"}, {}, (400, 801)),
        (
            "auth.create_user",
            {"name": "x", "company": "{company}", "email": "a@b.example", "role": "god"},
            {},
            (400, 12),
        ),
        (
            "auth.create_user",
            {"name": "x", "company": "other", "email": "a@b.example"},
            {IMPERSONATE: "{admin}"},
            (400, 10),
        ),
        ("auth.delete_user", {"user": "{admin}"}, {ACT_AS: "{admin}"}, (400, 16)),
        ("auth.delete_user", {"user": "nope"}, {}, (400, 301)),
        ("auth.edit_user", {"user": "{admin}", "role": "user"}, {}, (400, 301)),  # of another company
        ("auth.edit_user", {"user": "{admin}", "role": "user"}, {ACT_AS: "{admin}"}, (200, 0)),
        # keys
        ("auth.create_credentials", {}, {}, (400, 301)),  # a configured credential
        ("auth.revoke_credentials", {"access_key": "nope"}, {}, (400, 301)),
        ("auth.revoke_credentials", {"access_key": "nope"}, {IMPERSONATE: "{admin}"}, (400, 300)),
        ("auth.revoke_credentials", {"key_id": "nope"}, {IMPERSONATE: "{admin}"}, (400, 12)),  # its schema's name
        # roles and headers
        ("system.get_companies", {}, {IMPERSONATE: "{admin}"}, (403, 20)),
        ("system.get_companies", {}, {ACT_AS: "{admin}"}, (200, 0)),
        ("system.get_companies", {}, {IMPERSONATE: "{admin}", ACT_AS: "{admin}"}, (400, 5)),
        ("users.get_all_ex", {}, {IMPERSONATE: "nobody"}, (400, 6)),
        ("users.get_all_ex", {}, {ACT_AS: "nobody"}, (400, 6)),
        ("users.get_all_ex", {"include_auth": True}, {IMPERSONATE: "{plain}"}, (400, 13)),
        ("users.get_all_ex", {"include_auth": True}, {ACT_AS: "{plain}"}, (200, 0)),
        ("login.set_domains", {"domains": ["a.example"]}, {IMPERSONATE: "{plain}"}, (403, 20)),
        ("login.set_domains", {"domains": ["a.example"]}, {IMPERSONATE: "{super}"}, (403, 20)),
        ("login.set_domains", {"domains": ["a.example"]}, {ACT_AS: "{plain}"}, (200, 0)),
        ("login.set_domains", {"domains": "a.example"}, {ACT_AS: "{plain}"}, (400, 12)),
        # queues and workers
        ("queues.create", {"name": "ab"}, {IMPERSONATE: "{admin}"}, (400, 800)),
        ("queues.create", {"name": "  ab  "}, {IMPERSONATE: "{admin}"}, (400, 800)),
        ("queues.get_all", {"name": "["}, {IMPERSONATE: "{admin}"}, (400, 21)),
        ("queues.delete", {"queue": "nope"}, {IMPERSONATE: "{admin}"}, (400, 701)),
        ("workers.register", {"worker": "w", "queues": ["nope"]}, {IMPERSONATE: "{admin}"}, (400, 701)),
    ],
)
def test_it_refuses_what_the_server_refuses(
    call: Caller, path: str, body: Any, headers: dict[str, str], expected: tuple[int, int]
) -> None:
    """By code and subcode, in the envelope, with the HTTP status of the code."""
    names = {"admin": call.admin, "company": call.company}
    for name, role in (("plain", "user"), ("super", "superuser")):
        names[name] = call.user(f"{name}@acme.example", role)
    text = json.dumps([body, headers])
    for name, value in names.items():
        text = text.replace(f"{{{name}}}", value)
    filled_body, filled_headers = json.loads(text)
    assert call.kind(path, filled_body, filled_headers) == expected


@pytest.mark.parametrize(
    ("authorization", "subcode"),
    [
        ("", 20),
        ("Digest abc", 10),
        ("basic abc", 10),  # the real one compares case
        ("Basic ***", 21),
        ("Basic bm86cGU=", 22),
        ("Bearer nonsense", 30),
    ],
)
def test_it_says_what_is_wrong_with_credentials(call: Caller, authorization: str, subcode: int) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    answer = httpx.post(f"{call.url}/server.info", headers=headers)
    assert (answer.status_code, answer.json()["meta"]["result_subcode"]) == (401, subcode)


def test_ping_asks_for_no_credentials_and_get_and_empty_bodies_do(call: Caller) -> None:
    assert httpx.get(f"{call.url}/debug.ping").json()["data"] == {"msg": "ClearML server"}
    assert httpx.get(f"{call.url}/system.get_companies?name=acme", auth=call.system).json()["data"]["companies"]
    assert httpx.post(f"{call.url}/queues.get_all", auth=call.system).json()["data"] == {"queues": []}
    broken = httpx.post(f"{call.url}/queues.get_all", auth=call.system, content=b"{")
    assert broken.json()["meta"]["result_code"] == 400


def test_tokens_expire_but_those_of_system_users(call: Caller, clock: Turned) -> None:
    def login(**headers: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {call.ok('auth.login', {}, headers)['token']}"}

    system, admin = login(), login(**{IMPERSONATE: call.admin})

    def status(bearer: dict[str, str]) -> int:
        return httpx.post(f"{call.url}/server.info", headers=bearer).status_code

    assert (status(system), status(admin)) == (200, 200)
    clock.time += 31 * 86_400
    assert (status(system), status(admin)) == (200, 401)


def test_an_admin_acts_for_users_of_its_own_company_alone(call: Caller) -> None:
    """And nobody below an admin acts for anyone."""
    own = (call.key["access_key"], call.key["secret_key"])
    plain = call.user("plain@acme.example", "user")
    other = call.ok("system.create_company", {"name": "other"})["id"]
    stranger = call.ok("auth.create_user", {"name": "s", "company": other, "email": "s@other.example"})["id"]
    assert call.kind("users.get_current_user", {}, {IMPERSONATE: plain}, own) == (200, 0)
    assert call.kind("users.get_current_user", {}, {IMPERSONATE: stranger}, own) == (400, 6)
    key = call.ok("auth.create_credentials", {}, {IMPERSONATE: plain})["credentials"]
    low = (key["access_key"], key["secret_key"])
    assert call.kind("users.get_current_user", {}, {IMPERSONATE: plain}, low) == (400, 6)


def test_a_secret_is_told_once(call: Caller) -> None:
    told = [
        call.post(path, {}, {IMPERSONATE: call.admin}).text
        for path in ("auth.get_credentials", "users.get_all_ex", "users.get_current_user")
    ]
    assert call.key["access_key"] in told[0]
    assert not [text for text in told if call.key["secret_key"] in text]


def test_addresses_are_told_to_admins_who_ask(call: Caller) -> None:
    plain = call.ok("users.get_all_ex", {}, {IMPERSONATE: call.admin})["users"][0]
    asked = call.ok("users.get_all_ex", {"include_auth": True}, {IMPERSONATE: call.admin})["users"][0]
    assert "email" not in plain
    assert (asked["email"], asked["role"]) == ("ana@acme.example", "admin")


def test_companies_are_kept_apart(call: Caller) -> None:
    """Queues, domains and users of one are not seen by another."""
    other = call.ok("system.create_company", {"name": "other"})["id"]
    bo = call.ok("auth.create_user", {"name": "b", "company": other, "email": "b@o.example", "role": "admin"})["id"]
    for name in (call.admin, bo):
        call.ok("queues.create", {"name": "default"}, {IMPERSONATE: name})
    call.ok("login.set_domains", {"domains": ["acme.example"]}, {ACT_AS: call.admin})
    assert call.ok("login.get_settings", {}, {ACT_AS: bo})["domains"] == []
    assert [one["id"] for one in call.ok("users.get_all_ex", {}, {IMPERSONATE: bo})["users"]] == [bo]
    assert len(call.ok("queues.get_all", {}, {IMPERSONATE: bo})["queues"]) == 1


def test_a_real_agent_can_register_over_http(call: Caller) -> None:
    own = (call.key["access_key"], call.key["secret_key"])
    queue = call.ok("queues.create", {"name": "default"}, None, own)["id"]
    call.ok("workers.register", {"worker": "acme:0", "queues": [queue], "timeout": 60}, None, own)
    (worker,) = call.ok("workers.get_all", {}, None, own)["workers"]
    assert (worker["id"], worker["queues"][0]["name"]) == ("acme:0", "default")
    call.ok("workers.unregister", {"worker": "acme:0"}, None, own)
    assert call.ok("workers.get_all", {"last_seen": 0}, None, own)["workers"] == []


def test_settings_labels_and_queues_can_be_changed(call: Caller, state: ClearMLState) -> None:
    call.ok("system.update_company_settings", {"company": call.company, "max_running_apps": 3})
    assert state.companies_by_id[call.company].settings == {"max_running_apps": 3}
    assert call.ok("system.company_info", {"company": call.company})["name"] == "acme"
    call.ok("auth.edit_credentials", {"access_key": call.key["access_key"], "label": "l"}, {IMPERSONATE: call.admin})
    assert call.ok("auth.get_credentials", {}, {IMPERSONATE: call.admin})["credentials"][0]["label"] == "l"
    queue = call.ok("queues.create", {"name": "default"}, {IMPERSONATE: call.admin})["id"]
    call.ok("queues.delete", {"queue": queue}, {IMPERSONATE: call.admin})
    assert state.companies_by_id[call.company].queues == {}


def test_what_can_be_looked_at_is_json_without_secrets(call: Caller, state: ClearMLState) -> None:
    """The call log, the companies and the faults are shown on the sandbox's page."""
    call.ok("auth.login")
    state.fail_next = 2
    shown = json.dumps(state.snapshot())
    secrets = [*state.every_secret(), *state.tokens]
    assert len(secrets) == 3
    assert not [secret for secret in secrets if secret in shown]
    last = state.snapshot()["calls"][-1]
    assert (last["endpoint"], last["code"], last["caller"]) == ("auth.login", 200, SUPERVISOR)
    assert "authorization" in last["headers"]
    assert state.snapshot()["faults"]["fail_next"] == 2


def test_the_log_says_who_acted_as_whom_with_which_fields(call: Caller, state: ClearMLState) -> None:
    call.kind("queues.create", {"name": "default"}, {IMPERSONATE: call.admin})
    line = state.calls[-1]
    assert (line["as"], line["caller"], line["fields"]) == ([IMPERSONATE], call.admin, ["name"])
    assert (line["code"], line["subcode"], line["at"]) == (200, 0, state.clock())


def test_everything_but_the_log_survives_a_restart(tmp_path: Path, clock: Turned) -> None:
    """The file is whole, and nobody else's to read."""
    file = tmp_path / "clearml.json"
    before = ClearMLState(clock=clock, file=file)
    server = LoopbackServer(create_app(before))
    old = client(server.start(), before)
    admin = old.create_user(company_id=old.create_company("acme"), name="Ana", email="ana@acme.example")
    made = old.create_credentials(admin, "agent")
    old.create_queue(admin, "default")
    old.set_domains(admin, ["acme.example"])
    before.see_worker(made.access_key, "acme:agent", ("default",))
    old.close()
    server.stop()

    after = ClearMLState(clock=clock, file=file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert after.companies() == before.companies()
    assert after.system_secret == before.system_secret
    server = LoopbackServer(create_app(after))
    new = client(server.start(), after)
    assert new.domains(admin) == ("acme.example",)
    assert [one.queues for one in new.workers(admin)] == [("default",)]
    assert [one.access_key for one in new.credentials(admin)] == [made.access_key]
    new.close()
    server.stop()


def test_every_call_that_the_facts_name_is_there() -> None:
    facts = """
        system.create_company system.get_companies system.company_info system.update_company_settings auth.login
        auth.create_user auth.create_credentials auth.get_credentials auth.revoke_credentials auth.edit_user
        auth.delete_user users.get_all_ex login.set_domains login.get_settings queues.create queues.get_all
        queues.delete workers.get_all server.info debug.ping
    """
    assert set(facts.split()) <= set(ENDPOINTS)
