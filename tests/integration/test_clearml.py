"""The ClearML client against the strict stand-in, over HTTP: every call, every refusal, every fault."""

from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from provisioning.clients.clearml import ClearML
from provisioning.clients.clearml_errors import ClearMLError
from provisioning.configuration import ClearMLServer
from provisioning.errors import PermanentError, TemporaryError, UnreachableError
from sandbox.clearml.api import ACT_AS, IMPERSONATE, create_app
from sandbox.clearml.state import ClearMLState
from sandbox.serving import LoopbackServer


class Turned:
    """A clock that tests turn, in seconds."""

    time = 1_000_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Turned:
    return Turned()


@pytest.fixture
def state(clock: Turned) -> ClearMLState:
    return ClearMLState(clock=clock)


@pytest.fixture
def url(state: ClearMLState) -> Iterator[str]:
    server = LoopbackServer(create_app(state))
    yield server.start()
    server.stop()


def _client(url: str, state: ClearMLState, *, secret: str = "", known: dict[str, list[str]] | None = None) -> ClearML:
    server = ClearMLServer(
        api_url=url,
        web_url="https://app.example",
        files_url="https://files.example",
        access_key=state.system_key,
        secret_key=SecretStr(secret or state.system_secret),
        timeout_s=2,
    )
    return ClearML(server, known_users=lambda company: (known or {}).get(company, ()))


@pytest.fixture
def clearml(url: str, state: ClearMLState) -> Iterator[ClearML]:
    client = _client(url, state)
    yield client
    client.close()


@pytest.fixture
def admin(clearml: ClearML) -> str:
    """An admin of the company acme: its user id."""
    company = clearml.create_company("acme")
    return clearml.create_user(company_id=company, name="Ana", email="ana@acme.example")


def test_the_tenants_way_from_company_to_queue(clearml: ClearML, state: ClearMLState) -> None:
    """Every call that tenant create makes, in its order, and what the server then holds."""
    clearml.ping()
    assert clearml.server_info().version == "3.21.6"
    assert clearml.company_by_name("acme") is None
    company_id = clearml.create_company("acme")
    found = clearml.company_by_name("ACME")
    assert found is not None
    assert found.id == company_id
    user_id = clearml.create_user(company_id=company_id, name="Ana", email="ana@acme.example")
    assert clearml.user_by_email(company_id, "ANA@acme.example") is not None
    made = clearml.create_credentials(user_id, "clearml-chatops: agent")
    assert [(one.access_key, one.label) for one in clearml.credentials(user_id)] == [
        (made.access_key, "clearml-chatops: agent")
    ]
    clearml.set_domains(user_id, ["acme.example"])
    assert clearml.domains(user_id) == ("acme.example",)
    assert clearml.create_queue(user_id, "default") is True
    assert clearml.create_queue(user_id, "default") is False
    assert [queue.name for queue in clearml.queues(user_id)] == ["default"]
    assert clearml.queue_by_name(user_id, "def.*") is None
    assert clearml.queue_by_name(user_id, "default") is not None
    acme = next(one for one in state.companies() if one["name"] == "acme")
    assert [user["email"] for user in acme["users"]] == ["ana@acme.example"]


def test_a_key_belongs_to_the_impersonated_user_and_can_be_used_and_revoked(
    clearml: ClearML, state: ClearMLState, url: str, admin: str
) -> None:
    """Not to the caller, which is what happens without the header."""
    made = clearml.create_credentials(admin, "agent")
    own = httpx.Client(base_url=url, auth=(made.access_key, made.secret_key.get_secret_value()))
    users = own.post("/users.get_all_ex", json={}).json()["data"]["users"]
    assert [user["id"] for user in users] == [admin]
    clearml.revoke_credentials(admin, made.access_key)
    assert own.post("/users.get_all_ex", json={}).status_code == 401
    with pytest.raises(ClearMLError) as refused:
        clearml.revoke_credentials(admin, made.access_key)
    assert refused.value.kind == (400, 75)
    own.close()
    assert made.secret_key.get_secret_value() not in repr(made)


def test_names_and_addresses_are_unique(clearml: ClearML, admin: str) -> None:
    with pytest.raises(ClearMLError) as company:
        clearml.create_company("Acme")
    assert company.value.kind == (400, 801)
    other = clearml.create_company("other")
    with pytest.raises(ClearMLError, match="another user has this e-mail") as user:
        clearml.create_user(company_id=other, name="Ana", email="ana@acme.example")
    assert "another address" in user.value.next_action


def test_two_companies_of_one_name_are_not_guessed_between(clearml: ClearML, state: ClearMLState) -> None:
    state.add_company("twice")
    state.add_company("twice")
    with pytest.raises(PermanentError, match="2 of that name"):
        clearml.company_by_name("twice")


def test_users_are_found_by_whoever_is_known(url: str, state: ClearMLState, clearml: ClearML, admin: str) -> None:
    """A client that did not create the user finds it through the ids that it is given; gone ones are passed over."""
    company = clearml.company_by_name("acme")
    assert company is not None
    stranger = _client(url, state)
    assert stranger.user_by_email(company.id, "ana@acme.example") is None
    knows = _client(url, state, known={company.id: ["gone", admin]})
    found = knows.user_by_email(company.id, "ana@acme.example")
    assert found is not None
    assert (found.id, found.role) == (admin, "admin")
    stranger.close()
    knows.close()


def test_a_queue_is_made_with_our_role_where_the_admins_does_not_do(
    url: str, state: ClearMLState, clearml: ClearML, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """403/20 by Impersonate-As, then Act-As."""
    from sandbox.clearml import endpoints

    strict = dict(endpoints.ENDPOINTS)
    strict["queues.create"] = endpoints.Endpoint(
        run=endpoints.ENDPOINTS["queues.create"].run,
        roles=frozenset({"system", "root"}),
        required=("name",),
        fields={"name": str},
    )
    monkeypatch.setattr("sandbox.clearml.api.ENDPOINTS", strict)
    assert clearml.create_queue(admin, "default") is True
    assert [call["code"] for call in state.calls if call["endpoint"] == "queues.create"] == [403, 200]


def test_workers_are_those_seen_lately(clearml: ClearML, state: ClearMLState, admin: str, clock: Turned) -> None:
    made = clearml.create_credentials(admin, "agent")
    assert state.see_worker(made.access_key, "acme:agent", ("default",))
    assert not state.see_worker("unknown", "x", ())
    assert [(one.id, one.queues) for one in clearml.workers(admin)] == [("acme:agent", ("default",))]
    clock.time += 3601
    assert clearml.workers(admin) == ()


def test_wrong_credentials_say_which_setting_to_check(url: str, state: ClearMLState) -> None:
    client = _client(url, state, secret="wrong-secret-canary")
    with pytest.raises(ClearMLError) as refused:
        client.companies()
    client.close()
    assert refused.value.kind == (401, 22)
    assert "CLEARML_CHATOPS_CLEARML__ACCESS_KEY" in refused.value.next_action
    assert "wrong-secret-canary" not in str(refused.value) + refused.value.details


def test_an_unreachable_server_says_so() -> None:
    server = ClearMLServer(
        api_url="http://127.0.0.1:9", web_url="", files_url="", access_key="k", secret_key=SecretStr("s"), timeout_s=1
    )
    client = ClearML(server)
    with pytest.raises(UnreachableError, match="cannot be reached") as unreachable:
        client.companies()
    client.close()
    assert "API_URL" in unreachable.value.next_action


def test_reads_are_tried_again_and_changes_are_not(clearml: ClearML, state: ClearMLState) -> None:
    """The first change may have been carried out: looking again is for the step that made it."""
    state.fail_next = 2
    assert len(clearml.companies()) == 1
    state.fail_next = 1
    with pytest.raises(TemporaryError, match="500/100"):
        clearml.create_company("acme")
    state.is_down = True
    with pytest.raises(TemporaryError, match="503"):
        clearml.companies()
    state.is_down = False
    state.slow_s = 3
    with pytest.raises(UnreachableError, match="did not answer in time"):
        clearml.create_company("acme")


@pytest.mark.parametrize(
    ("path", "body", "headers", "expected"),
    [
        ("/system.nothing", {}, {}, (404, 0)),
        ("/v2.30/system.get_companies", {}, {}, (200, 0)),
        ("/system.create_company", {"name": "ab"}, {}, (400, 12)),
        ("/system.create_company", {}, {}, (400, 12)),
        ("/system.create_company", {"name": "acme2", "colour": "red"}, {}, (400, 12)),
        ("/auth.create_user", {"name": "x", "company": "nope", "email": "x@y.example"}, {}, (400, 10)),
        ("/auth.create_credentials", {}, {}, (400, 301)),
        ("/system.get_companies", {}, {IMPERSONATE: "{admin}"}, (403, 20)),
        ("/system.get_companies", {}, {IMPERSONATE: "{admin}", ACT_AS: "{admin}"}, (400, 5)),
        ("/users.get_all_ex", {}, {IMPERSONATE: "nobody"}, (400, 6)),
        ("/queues.create", {"name": "ab"}, {IMPERSONATE: "{admin}"}, (400, 12)),
        ("/queues.delete", {"queue": "nope"}, {IMPERSONATE: "{admin}"}, (400, 701)),
        ("/system.create_company", [], {}, (400, 1)),
    ],
)
def test_the_stand_in_refuses_what_the_server_refuses(
    url: str,
    state: ClearMLState,
    admin: str,
    path: str,
    body: object,
    headers: dict[str, str],
    expected: tuple[int, int],
) -> None:
    """By code and subcode, in the envelope, with the HTTP status of the code."""
    answer = httpx.post(
        url + path,
        json=body,
        headers={name: value.format(admin=admin) for name, value in headers.items()},
        auth=(state.system_key, state.system_secret),
    )
    meta = answer.json()["meta"]
    assert (meta["result_code"], meta["result_subcode"]) == expected, meta
    assert answer.status_code == expected[0]
    assert {"id", "trx", "endpoint", "result_msg", "error_stack", "error_data"} <= set(meta)


def test_no_credentials_bad_tokens_and_good_ones(url: str, state: ClearMLState, clock: Turned) -> None:
    assert httpx.post(f"{url}/server.info").json()["meta"]["result_subcode"] == 20
    bad = httpx.post(f"{url}/server.info", headers={"Authorization": "Bearer nonsense"})
    assert bad.json()["meta"]["result_subcode"] == 30
    token = httpx.post(f"{url}/auth.login", auth=(state.system_key, state.system_secret)).json()["data"]["token"]
    good = {"Authorization": f"Bearer {token}"}
    assert httpx.post(f"{url}/server.info", headers=good).status_code == 200
    clock.time += 31 * 86_400
    assert httpx.post(f"{url}/server.info", headers=good).status_code == 401


def test_what_can_be_looked_at_holds_no_secret(clearml: ClearML, state: ClearMLState, admin: str) -> None:
    """The call log and the list of companies are shown on the sandbox's page."""
    clearml.create_credentials(admin, "agent")
    shown = repr(state.companies()) + repr(list(state.calls))
    assert len(state.every_secret()) == 2
    assert not [secret for secret in state.every_secret() if secret in shown]
