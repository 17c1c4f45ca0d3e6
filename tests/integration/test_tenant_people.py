"""`tenant domains …` and `tenant user …`: who may sign in, what is refused, how it is undone."""

import pytest

from provisioning.jobs import decisions
from provisioning.jobs.job import Job, JobState
from provisioning.plan import Plan
from tests.integration.tenant_world import ACME, Crash, World


def people(world: World) -> dict[str, str]:
    return {user["email"]: user["role"] for user in world.company("acme")["users"]}


def roll_back(world: World, text: str) -> None:
    """Do it, then take it back, as where a later step had failed."""
    take_back(world, world.make(text))


def take_back(world: World, job: Job) -> None:
    failed = job.model_copy(update={"state": JobState.FAILED})
    world.store.update_job(job.id, lambda _job: world.as_change(failed))
    back = world.run(world.decide(failed, decisions.roll_back))
    assert back.state is JobState.ROLLED_BACK, back.failure


def state_of(world: World) -> tuple[dict[str, str], object, object]:
    return people(world), world.company("acme")["domains"], world.store.tenants()[0].request


def made_through_a_crash(world: World, monkeypatch: pytest.MonkeyPatch, text: str, step_id: str) -> Job:
    job = world.job(world.plan(text))
    world.crash_after(step_id, monkeypatch)
    with pytest.raises(Crash):
        world.run(job)
    monkeypatch.undo()
    world.restart()
    for step in (step for wave in job.plan.waves() for step in wave):
        assert world.runner.run_step(job.id, step.id, 1)["ok"]
    assert world.runner.finish(job.id, 1)["ok"]
    return world.store.job(job.id)


def assert_settled(world: World) -> None:
    """The tenant planned again from its record has nothing to do."""
    plan = world.planner.plan("tenant create", world.store.tenants()[0].request)
    assert isinstance(plan, Plan)
    assert plan.is_noop, [step for step in plan.steps if not step.is_noop]


def test_domains_are_added_to_those_that_are_there(world: World) -> None:
    """Also to one that somebody added by hand; the record has what was asked for here."""
    world.make(ACME)
    world.state.companies_by_id[world.company("acme")["id"]].domains.append("hand.example")
    world.make("tenant domains add acme labs.example acme.example")
    assert world.company("acme")["domains"] == ["acme.example", "hand.example", "labs.example"]
    assert world.store.tenants()[0].request["domains"] == ["acme.example", "labs.example"]
    assert world.plan("tenant domains add acme labs.example").is_noop
    assert_settled(world)


def test_a_domain_is_taken_off_and_the_others_stay(world: World) -> None:
    world.make(f"{ACME} --domain acme.example --domain labs.example")
    plan = world.plan("tenant domains remove acme labs.example")
    assert plan.step("domains").found.differences == {"domains": (["acme.example", "labs.example"], ["acme.example"])}
    world.run(world.job(plan))
    assert world.company("acme")["domains"] == ["acme.example"]
    assert_settled(world)


def test_the_last_domain_stays_unless_forced(world: World) -> None:
    """Nobody could sign in."""
    world.make(ACME)
    assert "the last domain of tenant acme" in world.refusal("tenant domains remove acme acme.example").reason
    plan = world.plan("tenant domains remove acme acme.example --force")
    assert plan.warnings == ("Nobody of this tenant can sign in by SSO after this",)
    world.run(world.job(plan))
    assert world.company("acme")["domains"] == []
    assert_settled(world)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tenant domains add acme gmail.com", "gmail.com is a public mail provider"),
        ("tenant domains add acme beta.example", "whitelisted for company beta already"),
        ("tenant domains add nobody labs.example", "there is no tenant nobody"),
        ("tenant user add acme ana@acme.example", "is the admin whose keys the agent"),
        ("tenant user remove acme Ana@acme.example", "is the admin whose keys the agent"),
        ("tenant user role acme ana@acme.example user", "is the admin whose keys the agent"),
        ("tenant user add acme bo@beta.example", "is a user of company beta already"),
        ("tenant user add acme cy@acme.example --role admin", "already, as user"),
        ("tenant user remove acme dan@acme.example", "has no user dan@acme.example"),
        ("tenant user role acme dan@acme.example admin", "has no user dan@acme.example"),
        ("tenant user add acme dan@acme.invalid", "can be nobody's address"),
    ],
)
def test_what_must_not_be_is_refused(world: World, text: str, said: str) -> None:
    world.make(f"{ACME} --user cy@acme.example")
    world.make("tenant create beta --admin-email bo@beta.example")
    assert said in world.refusal(text).reason


def test_users_come_change_and_go(world: World) -> None:
    """Each change is recorded, so that the tenant planned again has nothing to do."""
    world.make(ACME)
    world.make("tenant user add acme bo@acme.example")
    assert people(world) == {"ana@acme.example": "admin", "bo@acme.example": "user"}
    assert_settled(world)
    plan = world.plan("tenant user role acme bo@acme.example superuser")
    assert plan.step("users").found.differences == {"bo@acme.example": ("user", "superuser")}
    world.run(world.job(plan))
    assert people(world)["bo@acme.example"] == "superuser"
    assert world.store.tenants()[0].request["users"] == ["bo@acme.example:superuser"]
    assert_settled(world)
    world.make("tenant user remove acme bo@acme.example")
    assert people(world) == {"ana@acme.example": "admin"}
    assert "users" not in world.store.tenants()[0].request
    assert_settled(world)


def test_a_tenant_is_made_with_its_users(world: World) -> None:
    world.make(f"{ACME} --user bo@acme.example:admin,cy@acme.example")
    assert people(world) == {
        "ana@acme.example": "admin",
        "bo@acme.example": "admin",
        "cy@acme.example": "user",
    }
    assert_settled(world)


CHANGES = pytest.mark.parametrize(
    ("text", "step_id"),
    [
        ("tenant domains add acme more.example acme.example", "domains"),
        ("tenant domains remove acme labs.example", "domains"),
        ("tenant user add acme dan@acme.example", "users"),
        ("tenant user role acme cy@acme.example admin", "users"),
    ],
)


@CHANGES
def test_each_of_them_can_be_taken_back(world: World, text: str, step_id: str) -> None:
    """ClearML and the record are as before."""
    world.make(f"{ACME} --domain acme.example,labs.example --user cy@acme.example")
    before = state_of(world)
    roll_back(world, text)
    assert state_of(world) == before


@CHANGES
def test_and_also_where_a_crash_hid_what_was_done(
    world: World, monkeypatch: pytest.MonkeyPatch, text: str, step_id: str
) -> None:
    """The process dies before it has noted what it did: the next one finds it done, and still takes back no more."""
    world.make(f"{ACME} --domain acme.example,labs.example --user cy@acme.example")
    before = state_of(world)
    take_back(world, made_through_a_crash(world, monkeypatch, text, step_id))
    assert state_of(world) == before


def test_users_of_a_company_that_this_job_made_go_with_it_also_after_a_crash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their addresses are free for other tenants again."""
    take_back(world, made_through_a_crash(world, monkeypatch, f"{ACME} --user cy@acme.example", "users"))
    assert people(world) == {}


def test_a_user_who_was_there_before_is_not_deleted_by_undoing(world: World) -> None:
    """The same user, added by hand while the job ran, is found and left."""
    world.make(ACME)
    job = world.job(world.plan("tenant user add acme bo@acme.example"))
    world.runner.begin(job.id, 1)
    company = world.company("acme")["id"]
    world.state.create_user(name="Bo", company=company, email="bo@acme.example", role="user", internal=False)
    assert all(world.runner.run_step(job.id, step.id, 1)["ok"] for step in job.plan.steps)
    assert world.runner.finish(job.id, 1)["ok"]
    failed = world.store.job(job.id).model_copy(update={"state": JobState.FAILED})
    world.store.update_job(job.id, lambda _job: world.as_change(failed))
    world.run(world.decide(failed, decisions.roll_back))
    assert "bo@acme.example" in people(world)
