"""The ClearML client against the strict stand-in, over HTTP: every call, every refusal, every fault."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from provisioning.clients.clearml import ClearML, ClearMLError
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError
from sandbox.clearml.api import create_app
from sandbox.clearml.state import ClearMLState
from sandbox.serving import LoopbackServer
from tests.integration.clearml_samples import Turned, client


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """How long the client waits between tries is tested elsewhere."""
    monkeypatch.setattr("provisioning.clients.clearml_wire.FIRST_PAUSE_S", 0.01)


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


@pytest.fixture
def clearml(url: str, state: ClearMLState) -> Iterator[ClearML]:
    made = client(url, state)
    yield made
    made.close()


@pytest.fixture
def company(clearml: ClearML) -> str:
    """The company acme: its id."""
    return clearml.create_company("acme")


@pytest.fixture
def admin(clearml: ClearML, company: str) -> str:
    """An admin of the company acme: its user id."""
    return clearml.create_user(company_id=company, name="Ana", email="ana@acme.example")


def calls_of(state: ClearMLState, endpoint: str) -> list[dict[str, Any]]:
    return [call for call in state.calls if call["endpoint"] == endpoint]


def test_the_tenants_way_from_company_to_queue(clearml: ClearML, state: ClearMLState) -> None:
    """Every call that tenant create makes, in its order, and what the server then holds."""
    clearml.ping()
    info = clearml.server_info()
    assert (info.version, info.build, info.api_version) == ("3.21.6", "1443", "2.30")
    assert clearml.company_by_name("acme") is None
    company_id = clearml.create_company("acme")
    assert clearml.user_by_email(company_id, "ana@acme.example") is None
    user_id = clearml.create_user(company_id=company_id, name="Ana", email="ana@acme.example")
    made = clearml.create_credentials(user_id, "clearml-chatops: agent")
    assert [(one.access_key, one.label) for one in clearml.credentials(user_id)] == [
        (made.access_key, "clearml-chatops: agent")
    ]
    clearml.set_domains(user_id, ["acme.example"])
    assert clearml.domains(user_id) == ("acme.example",)
    assert clearml.create_queue(user_id, "default") is True
    assert clearml.create_queue(user_id, "default") is False
    assert [queue.name for queue in clearml.queues(user_id)] == ["default"]
    acme = next(one for one in state.companies() if one["name"] == "acme")
    assert [(user["email"], user["role"], user["keys"]) for user in acme["users"]] == [("ana@acme.example", "admin", 1)]


# -- companies ------------------------------------------------------------------------------------------------


def test_a_company_is_found_by_its_whole_name_whatever_the_case(clearml: ClearML, company: str) -> None:
    clearml.create_company("acme-2")
    found = clearml.company_by_name("ACME")
    assert found is not None
    assert (found.id, found.name, found.active) == (company, "acme", True)
    assert clearml.company_by_name("acm") is None
    assert {one.name for one in clearml.companies()} == {"clearml", "acme", "acme-2"}


def test_two_companies_of_one_name_are_not_guessed_between(clearml: ClearML, state: ClearMLState) -> None:
    state.add_company("twice")
    gone = state.add_company("Twice")
    with pytest.raises(PermanentError, match="2 of that name") as several:
        clearml.company_by_name("twice")
    assert "unique_names" in several.value.next_action
    state.companies_by_id[gone].active = False
    found = clearml.company_by_name("twice")
    assert found is not None
    assert found.id != gone


def test_a_deactivated_company_is_not_taken_up(clearml: ClearML, state: ClearMLState, company: str) -> None:
    state.companies_by_id[company].active = False
    with pytest.raises(PermanentError, match="deactivated"):
        clearml.company_by_name("acme")


def test_names_are_unique_where_the_server_is_told_so(clearml: ClearML, state: ClearMLState, company: str) -> None:
    with pytest.raises(ClearMLError) as taken:
        clearml.create_company("Acme")
    assert taken.value.kind == (400, 801)
    state.unique_names = False
    assert clearml.create_company("Acme") != company


# -- users ----------------------------------------------------------------------------------------------------


def test_an_admin_is_found_by_another_process_that_knows_nobody(
    url: str, state: ClearMLState, company: str, admin: str
) -> None:
    """A crash between making the admin and recording its id does not hide it."""
    stranger = client(url, state)
    found = stranger.user_by_email(company, "ANA@acme.example".lower())
    assert found is not None
    assert (found.id, found.name, found.role) == (admin, "Ana", "admin")
    holder = stranger.email_holder("ana@acme.example")
    assert holder is not None
    assert (holder.company.id, holder.company.name) == (company, "acme")
    assert stranger.email_holder("nobody@acme.example") is None
    stranger.close()


def test_a_user_of_another_company_is_not_ours(clearml: ClearML, admin: str) -> None:
    """The address is taken, and the message says by whom."""
    other = clearml.create_company("other")
    assert clearml.user_by_email(other, "ana@acme.example") is None
    with pytest.raises(ClearMLError, match=f"user {admin} of company acme has this e-mail") as taken:
        clearml.create_user(company_id=other, name="Ana", email="ana@acme.example")
    assert taken.value.kind == (400, 801)
    assert "another address" in taken.value.next_action


def test_on_an_older_server_users_are_found_by_whoever_is_known(
    url: str, state: ClearMLState, clearml: ClearML, company: str, admin: str
) -> None:
    """Without auth.get_users_info only a user of the company can look; users that are gone are passed over."""
    state.missing_endpoints.add("auth.get_users_info")
    stranger = client(url, state)
    assert stranger.user_by_email(company, "ana@acme.example") is None
    knows = client(url, state, known={company: ["gone", admin]})
    found = knows.user_by_email(company, "Ana@acme.example")
    assert found is not None
    assert (found.id, found.role) == (admin, "admin")
    assert knows.user_by_email(company, "bo@acme.example") is None
    made_here = clearml.user_by_email(company, "ana@acme.example")
    assert made_here is not None
    with pytest.raises(ClearMLError, match="another user has this e-mail"):
        clearml.create_user(company_id=company, name="Ana", email="ana@acme.example")
    stranger.close()
    knows.close()


def test_users_come_with_addresses_whatever_the_known_users_role(
    clearml: ClearML, state: ClearMLState, company: str
) -> None:
    """E-mails are told to admins only: the list is asked for with our own role, page by page."""
    plain = clearml.create_user(company_id=company, name="Plain", email="plain@acme.example", role="user")
    for number in range(520):
        state.create_user(
            name=f"u{number:03}", company=company, email=f"u{number}@acme.example", role="user", internal=False
        )
    users = clearml.users(plain)
    assert len({user.id for user in users}) == 521
    assert {"plain@acme.example", "u519@acme.example"} <= {user.email for user in users}
    assert len(calls_of(state, "users.get_all_ex")) == 2


def test_a_user_is_deleted_once(clearml: ClearML, state: ClearMLState, admin: str) -> None:
    assert clearml.delete_user(admin) is True
    assert admin not in state.users
    assert clearml.delete_user(admin) is False


def test_a_server_that_cannot_delete_users_says_no(clearml: ClearML, state: ClearMLState, admin: str) -> None:
    state.missing_endpoints.add("auth.delete_user")
    assert clearml.delete_user(admin) is False
    assert admin in state.users


def test_where_our_role_stays_at_home_the_next_action_says_so(
    clearml: ClearML, state: ClearMLState, admin: str
) -> None:
    """As on the open-source server, where only root acts for users of other companies."""
    state.system_crosses_companies = False
    with pytest.raises(ClearMLError) as refused:
        clearml.create_credentials(admin, "agent")
    assert refused.value.kind == (400, 6)
    assert "must be root" in refused.value.next_action


# -- credentials ----------------------------------------------------------------------------------------------


def test_a_key_belongs_to_the_impersonated_user_and_can_be_used_and_revoked(
    clearml: ClearML, state: ClearMLState, url: str, admin: str
) -> None:
    """Not to the caller, which is what happens without the header. Revoking again changes nothing."""
    made = clearml.create_credentials(admin, "agent")
    with httpx.Client(base_url=url, auth=(made.access_key, made.secret_key.get_secret_value())) as own:
        users = own.post("/users.get_all_ex", json={}).json()["data"]["users"]
        assert [user["id"] for user in users] == [admin]
        assert clearml.credentials(admin)[0].last_used is not None
        assert clearml.revoke_credentials(admin, made.access_key) is True
        assert own.post("/users.get_all_ex", json={}).status_code == 401
    assert clearml.revoke_credentials(admin, made.access_key) is False
    assert made.secret_key.get_secret_value() not in repr(made)


def test_an_expiring_key_is_told_to_expire(
    clearml: ClearML, state: ClearMLState, url: str, admin: str, clock: Turned
) -> None:
    """Enterprise servers may let keys expire: what we read of a key says when."""
    made = state.create_credentials(admin, "short", 60)
    state.create_credentials(admin, "long", None)
    short, long = clearml.credentials(admin)
    assert short.expires is not None
    assert short.expires.timestamp() == clock.time + 60
    assert long.expires is None
    clock.time += 61
    assert httpx.post(f"{url}/server.info", auth=(made.access_key, made.secret_key)).status_code == 401


@pytest.mark.parametrize("user_id", ["", "two words", "line\nbreak", "ümlaut"])
def test_no_call_is_made_for_what_is_no_user_id(clearml: ClearML, state: ClearMLState, user_id: str) -> None:
    """An empty header would let the call run as ourselves, silently."""
    with pytest.raises(PermanentError, match="no user id"):
        clearml.create_credentials(user_id, "agent")
    assert not calls_of(state, "auth.create_credentials")


# -- domains, queues, workers ---------------------------------------------------------------------------------


def test_domains_are_replaced_as_a_whole(clearml: ClearML, admin: str) -> None:
    clearml.set_domains(admin, ["acme.example", "acme2.example"])
    clearml.set_domains(admin, ["acme2.example"])
    assert clearml.domains(admin) == ("acme2.example",)
    with pytest.raises(ClearMLError) as malformed:
        clearml.set_domains(admin, ["not a domain"])
    assert malformed.value.kind == (400, 23)
    assert "domain" in malformed.value.next_action


def test_a_queue_is_found_by_its_exact_name(clearml: ClearML, admin: str) -> None:
    """The API's filter is a regular expression: dots and stars are only dots and stars for us."""
    for name in ("gpu-fraction-0_50", "gpu.fraction", "gpuxfraction", "a+b(c"):
        clearml.create_queue(admin, name)
    assert clearml.queue_by_name(admin, "gpu.*") is None
    assert clearml.queue_by_name(admin, "gpu-fraction-0_5") is None
    for name in ("gpu.fraction", "a+b(c", "gpu-fraction-0_50"):
        found = clearml.queue_by_name(admin, name)
        assert found is not None
        assert found.name == name


def test_every_queue_is_listed_page_by_page(clearml: ClearML, state: ClearMLState, company: str, admin: str) -> None:
    for number in range(503):
        state.create_queue(company, f"queue-{number:03}")
    assert [queue.name for queue in clearml.queues(admin)] == [f"queue-{number:03}" for number in range(503)]


def test_a_queue_is_made_with_our_role_where_the_admins_does_not_do(
    clearml: ClearML, state: ClearMLState, admin: str
) -> None:
    """403/20 by Impersonate-As, then Act-As."""
    state.admins_make_queues = False
    assert clearml.create_queue(admin, "default") is True
    assert clearml.create_queue(admin, "default") is False
    assert [call["code"] for call in calls_of(state, "queues.create")] == [403, 200, 403, 400]


def test_a_queues_name_has_three_characters(clearml: ClearML, admin: str) -> None:
    with pytest.raises(ClearMLError, match="too short") as short:
        clearml.create_queue(admin, " ab ")
    assert short.value.kind == (400, 800)


def test_workers_are_those_seen_lately(
    clearml: ClearML, state: ClearMLState, company: str, admin: str, clock: Turned
) -> None:
    """An agent that stops reporting is forgotten, one that goes on is not; others' agents are not shown."""
    made = clearml.create_credentials(admin, "agent")
    assert state.see_worker(made.access_key, "acme:agent", ("default", "gpu-fraction-1_00"))
    assert not state.see_worker("unknown", "x", ())
    (worker,) = clearml.workers(admin)
    assert (worker.id, worker.queues) == ("acme:agent", ("default", "gpu-fraction-1_00"))
    assert worker.last_seen is not None
    assert worker.last_seen.timestamp() == clock.time
    other = clearml.create_user(company_id=clearml.create_company("other"), name="Bo", email="bo@other.example")
    assert clearml.workers(other) == ()
    clock.time += 599
    state.see_worker(made.access_key, "acme:agent", ("default",))
    clock.time += 599
    assert [one.queues for one in clearml.workers(admin)] == [("default",)]
    clock.time += 2
    assert clearml.workers(admin) == ()


# -- refusals and faults --------------------------------------------------------------------------------------


def test_wrong_credentials_say_which_setting_to_check(url: str, state: ClearMLState) -> None:
    bad = client(url, state, secret="wrong-secret-canary")
    with pytest.raises(ClearMLError) as refused:
        bad.companies()
    bad.close()
    assert refused.value.kind == (401, 22)
    assert "CLEARML_CHATOPS_CLEARML__ACCESS_KEY" in refused.value.next_action
    assert "wrong-secret-canary" not in str(refused.value) + refused.value.details


def test_refused_credentials_are_taken_again_when_the_fault_is_over(clearml: ClearML, state: ClearMLState) -> None:
    state.refuse_key = True
    with pytest.raises(ClearMLError):
        clearml.companies()
    state.refuse_key = False
    assert clearml.companies()


def test_every_call_of_a_tenants_admin_is_refused_where_it_needs_the_system(
    url: str, state: ClearMLState, clearml: ClearML, admin: str
) -> None:
    made = clearml.create_credentials(admin, "agent")
    with httpx.Client(base_url=url, auth=(made.access_key, made.secret_key.get_secret_value())) as own:
        for endpoint in ("system.create_company", "system.get_companies", "auth.get_users_info"):
            assert own.post(f"/{endpoint}", json={}).json()["meta"]["result_subcode"] == 20


def test_an_unreachable_server_says_so(state: ClearMLState) -> None:
    nobody = client("http://127.0.0.1:9", state, timeout_s=1)
    with pytest.raises(UnreachableError, match="cannot be reached") as unreachable:
        nobody.companies()
    nobody.close()
    assert "API_URL" in unreachable.value.next_action


def test_reads_are_tried_again_and_changes_are_not(clearml: ClearML, state: ClearMLState) -> None:
    """The first change may have been carried out: looking again is for the step that made it."""
    state.fail_next = 2
    assert len(clearml.companies()) == 1
    state.fail_next = 1
    with pytest.raises(TemporaryError, match="500/100"):
        clearml.create_company("acme")
    assert len(calls_of(state, "system.create_company")) == 1
    state.fail_next = 3
    with pytest.raises(TemporaryError):
        clearml.companies()
    assert state.fail_next == 0


@pytest.mark.parametrize("change", ["set_domains", "revoke", "delete"])
def test_changes_that_are_the_same_twice_are_tried_again(
    clearml: ClearML, state: ClearMLState, admin: str, change: str
) -> None:
    """Even where the first was carried out and only its answer was lost."""
    made = clearml.create_credentials(admin, "agent")
    changes: dict[str, Callable[[], object]] = {
        "set_domains": lambda: clearml.set_domains(admin, ["acme.example"]),
        "revoke": lambda: clearml.revoke_credentials(admin, made.access_key),
        "delete": lambda: clearml.delete_user(admin),
    }
    state.lose_next = 1
    changes[change]()
    match change:
        case "set_domains":
            assert clearml.domains(admin) == ("acme.example",)
        case "revoke":
            assert clearml.credentials(admin) == ()
        case _:
            assert admin not in state.users


def test_a_lost_answer_leaves_a_company_that_is_found_again(clearml: ClearML, state: ClearMLState) -> None:
    """The connection breaks after the company was made: one error, one company, and looking first finds it."""
    state.lose_next = 1
    with pytest.raises(UnreachableError, match="creating company acme"):
        clearml.create_company("acme")
    assert clearml.company_by_name("acme") is not None
    assert len(calls_of(state, "system.create_company")) == 1


def test_a_dropped_connection_is_tried_again_for_reads(clearml: ClearML, state: ClearMLState) -> None:
    state.drop_next = 2
    assert len(clearml.companies()) == 1
    state.drop_next = 1
    with pytest.raises(UnreachableError):
        clearml.create_company("acme")
    assert clearml.company_by_name("acme") is None


def test_a_proxys_error_is_told_from_the_apis(clearml: ClearML, state: ClearMLState) -> None:
    state.is_down = True
    with pytest.raises(TemporaryError, match=r"503\) is not the ClearML API's"):
        clearml.companies()
    state.is_down = False
    state.fail_next, state.fail_code = 1, 504
    assert len(clearml.companies()) == 1


def test_a_slow_server_is_waited_for_no_longer_than_told(url: str, state: ClearMLState) -> None:
    hurried = client(url, state, timeout_s=0.3)
    state.slow_s = 1.0
    start = time.monotonic()
    with pytest.raises(UnreachableError, match="did not answer in time"):
        hurried.create_company("acme")
    with pytest.raises(UnreachableError):
        hurried.companies()
    assert time.monotonic() - start < 2
    hurried.close()


def test_threads_share_one_client(clearml: ClearML, state: ClearMLState, admin: str) -> None:
    """Twenty threads make the same queue: one made it, the others found it."""
    with ThreadPoolExecutor(20) as pool:
        made = list(pool.map(lambda _: clearml.create_queue(admin, "default"), range(20)))
    assert sorted(made) == [False] * 19 + [True]
    assert len(calls_of(state, "queues.create")) == 20


def test_no_secret_is_in_any_message(url: str, clearml: ClearML, state: ClearMLState, admin: str) -> None:
    """Whatever goes wrong with whatever call."""
    made = clearml.create_credentials(admin, "agent")
    secrets = [*state.every_secret(), made.secret_key.get_secret_value()]
    faults: tuple[dict[str, Any], ...] = ({"fail_next": 9}, {"drop_next": 9}, {"is_down": True}, {"refuse_key": True})
    attempts: tuple[Callable[[], object], ...] = (
        clearml.companies,
        lambda: clearml.create_credentials(admin, "agent"),
        lambda: clearml.revoke_credentials(admin, made.access_key),
        lambda: clearml.create_user(company_id="x", name="x", email="x"),
    )
    for fault in faults:
        for attempt in attempts:
            for name, value in fault.items():
                setattr(state, name, value)
            with pytest.raises(ChatopsError) as wrong:
                attempt()
            said = f"{wrong.value} {wrong.value.details} {wrong.value!r} {wrong.value.__cause__!r}"
            assert not [secret for secret in secrets if secret in said]
            assert wrong.value.next_action
        state.fail_next, state.drop_next, state.is_down, state.refuse_key = 0, 0, False, False
