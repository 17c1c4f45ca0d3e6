"""Forms for commands: within Slack's limits, the same command as the typed one, errors at their fields, live menus."""

import json
import threading
import time
from typing import Any
from unittest.mock import MagicMock

import pytest

from bot.slack import deliveries, forms, kit, previews, render_help
from bot.slack.offers import Offers, sources
from bot.slack.render_job import Rendered
from commands import grammar
from commands.catalog import CATALOG
from commands.grammar import How, UsageError
from commands.spec import choices_of
from commands.tenants import TenantCreate
from provisioning.clients.cluster_objects import Node
from provisioning.jobs.job import JobState
from provisioning.plan import Plan, Step
from tests.slack_limits import problems_of_message, problems_of_view
from tests.unit.job_samples import HOSTILE, STEPS, hostile_job

BAD = HOSTILE * 100
OFFERED = {"tenants": ["acme", "globex"], "nodes": [f"gpu-{number}" for number in range(100)]}


@pytest.mark.parametrize("name", [name for name, spec in CATALOG.items() if spec.args.model_fields])
def test_every_commands_form_keeps_to_the_limits(name: str) -> None:
    """For each command with arguments, empty and with hostile values given."""
    spec = CATALOG[name]
    for given in ({}, dict.fromkeys(spec.args.model_fields, BAD)):
        view = forms.form(spec, channel="C1", given=given, choices=OFFERED)
        assert problems_of_view(view) == []
        assert forms.spec_and_channel(view) == (spec, "C1")


def submitted(**values: str) -> dict[str, Any]:
    view = forms.form(CATALOG["tenant create"], channel="C1")
    state: dict[str, Any] = {}
    for block in view["blocks"]:
        name = block["block_id"]
        if block["element"]["type"] == "checkboxes":
            options = block["element"]["options"] if values.get(name) else []
            state[name] = {"value": {"type": "checkboxes", "selected_options": options}}
        else:
            value = values.get(name, block["element"].get("initial_value"))
            state[name] = {"value": {"type": "plain_text_input", "value": value}}
    return view | {"state": {"values": state}}


def test_a_form_gives_the_same_command_as_the_text() -> None:
    """What was entered parses to the same arguments as the slash command, and renders to it."""
    spec = CATALOG["tenant create"]
    view = submitted(name="acme", admin_email="ana@acme.example", ports="yes", queues="1, 0.50")
    made = grammar.build(spec, forms.values(spec, view))
    typed = grammar.parse("tenant create acme --admin-email ana@acme.example --ports --queues 1,0.5")
    assert isinstance(made, grammar.Invocation)
    assert isinstance(typed, grammar.Invocation)
    assert made.args == typed.args
    assert isinstance(made.args, TenantCreate)
    assert "--ports" in made.text


def test_form_errors_stand_at_their_fields() -> None:
    """Each wrong or missing field has its own message, under its block's id."""
    spec = CATALOG["tenant create"]
    wrong = grammar.build(spec, forms.values(spec, submitted(name="Not A Name", max_pods="many")))
    assert isinstance(wrong, UsageError)
    found = forms.errors(wrong)
    assert set(found) == {"name", "admin_email", "max_pods"}
    assert "lower-case" in found["name"]
    assert set(found) <= {block["block_id"] for block in submitted()["blocks"]}


def block_of(view: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [block for block in view["blocks"] if block["block_id"] == name]
    return dict(found)


def test_a_form_offers_what_there_is() -> None:
    """Tenants as a menu; too many of them, or none, as a text field."""
    spec = CATALOG["jobs"]
    menu = block_of(forms.form(spec, channel="C1", choices=OFFERED), "tenant")["element"]
    assert [option["value"] for option in menu["options"]] == ["acme", "globex"]
    for tenants in ([], [f"tenant-{number}" for number in range(101)]):
        view = forms.form(spec, channel="C1", choices={"tenants": tenants})
        assert block_of(view, "tenant")["element"]["type"] == "plain_text_input"


def test_a_choice_is_the_argument() -> None:
    """What was chosen in a menu is what would have been typed."""
    spec = CATALOG["jobs"]
    view = forms.form(spec, channel="C1", given={"tenant": "globex"}, choices=OFFERED)
    chosen = block_of(view, "tenant")["element"]["initial_option"]
    state = {"tenant": {"value": {"type": "static_select", "selected_option": chosen}}}
    assert forms.values(spec, view | {"state": {"values": state}}) == {"tenant": "globex"}


def test_dry_run_is_not_forgotten() -> None:
    """Asked for in the text, it is ticked in the form, and the form's answer says so."""
    error = grammar.parse('tenant create acme --dry-run --break-glass --reason "outage"')
    assert isinstance(error, UsageError)
    spec = CATALOG["tenant create"]
    view = forms.form(spec, channel="C1", given=dict(error.given), how=error.how)
    ticked = block_of(view, forms.DRY_RUN_BLOCK)["element"]["initial_options"]
    state = {forms.DRY_RUN_BLOCK: {"value": {"type": "checkboxes", "selected_options": ticked}}}
    assert forms.how(view | {"state": {"values": state}}) == error.how
    assert forms.how(view | {"state": {"values": {}}}) == How(reason="outage", break_glass=True)


def test_without_a_channel_it_asks_for_one() -> None:
    """From the Home tab there is none, and a job's message needs a place."""
    spec = CATALOG["tenant create"]
    view = forms.form(spec, channel="")
    assert problems_of_view(view) == []
    state = {forms.CHANNEL_BLOCK: {"value": {"type": "conversations_select", "selected_conversation": "C9"}}}
    assert forms.spec_and_channel(view | {"state": {"values": state}}) == (spec, "C9")


def test_numbers_are_checked_by_slack_itself() -> None:
    """In their range; what was given and is no number is not offered again."""
    view = forms.form(CATALOG["tenant create"], channel="C1", given={"max_pods": "many"})
    assert block_of(view, "max_pods")["element"] == {
        "type": "number_input",
        "action_id": "value",
        "is_decimal_allowed": False,
        "min_value": "1",
        "max_value": "1000",
    }


def test_offers_never_hold_a_form_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that hangs or breaks gives a text field; its last answer counts while it is asked again."""
    monkeypatch.setattr("bot.slack.offers.PATIENCE_S", 0.05)
    hang = threading.Event()

    def slow() -> list[str]:
        hang.wait(5)
        return ["gpu-1"]

    def broken() -> list[str]:
        raise OSError("no cluster")

    named = [spec for spec in CATALOG.values() if any(map(choices_of, spec.args.model_fields.values()))]
    spec = CATALOG["jobs"]
    assert spec in named
    assert Offers({"tenants": broken}).of(spec) == {}
    offers = Offers({"tenants": slow})
    assert offers.of(spec) == {}
    hang.set()
    for _ in range(100):
        if found := offers.of(spec):
            break
    assert found == {"tenants": ["gpu-1"]}


def test_offers_of_two_kinds_are_waited_for_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trigger lives three seconds: where the cluster hangs, nodes and profiles do not take a wait each."""
    monkeypatch.setattr("bot.slack.offers.PATIENCE_S", 1.0)
    hang = threading.Event()

    def slow() -> list[str]:
        hang.wait(5)
        return []

    began = time.monotonic()
    assert Offers({"nodes": slow, "profiles": slow}).of(CATALOG["capacity"]) == {}
    took_s = time.monotonic() - began
    hang.set()
    assert 0.95 < took_s < 1.95


def test_a_file_may_be_chosen_instead_of_a_text() -> None:
    """Its id goes on as a link; both at once, or neither, is told at the field."""
    spec = CATALOG["tenant apply"]
    view = forms.form(spec, channel="C1")
    block = forms.FILE_BLOCK + "specs"
    assert block_of(view, block)["element"]["type"] == "file_input"
    chosen = {block: {"value": {"type": "file_input", "files": [{"id": "F0123"}]}}}
    written = {"specs": {"value": {"type": "plain_text_input", "value": "name: acme"}}}
    assert forms.values(spec, view | {"state": {"values": chosen}}) == {"specs": "slack-file:F0123"}
    assert forms.given_twice(spec, view | {"state": {"values": chosen}}) == {}
    assert set(forms.given_twice(spec, view | {"state": {"values": {**chosen, **written}}})) == {block}
    assert forms.given_twice(spec, view | {"state": {"values": written}}) == {}
    nothing = grammar.build(spec, forms.values(spec, view | {"state": {"values": {}}}))
    assert isinstance(nothing, UsageError)
    assert forms.errors(nothing) == {"specs": "write it here, or choose a file below"}


def test_a_file_has_a_field_of_many_lines() -> None:
    """Which keeps them on the way back, and through the inbox."""
    spec = CATALOG["tenant apply"]
    view = forms.form(spec, channel="C1")
    (field,) = (block for block in view["blocks"] if block.get("block_id") == "specs")
    assert (field["element"]["multiline"], field["element"]["max_length"]) == (True, 3000)
    text = "name: acme\nadmin_email: ana@acme.example\n---\nname: beta"
    body = {"user": {"id": "U1"}, "team": {"id": "T1"}}
    filled = {"id": "V1", "hash": "h", "state": {"values": {"specs": {"value": {"value": text}}}}}
    invocation = grammar.build(spec, forms.values(spec, filled))
    assert isinstance(invocation, grammar.Invocation)
    parcel = deliveries.of_form(body, filled, deliveries.Asked(invocation=invocation, channel="C1"))
    again = deliveries.filled_in(json.loads(json.dumps(parcel.body)))
    assert (again.spec, again.args, again.how) == (spec, invocation.args, invocation.how)


WITH_ARGUMENTS = [name for name, spec in CATALOG.items() if spec.args.model_fields]


@pytest.mark.parametrize("name", WITH_ARGUMENTS)
def test_every_command_with_arguments_shows_its_form(name: str) -> None:
    """By … at its end, however the keyboard writes that; by its name alone where it cannot do without; by a button."""
    spec = CATALOG[name]
    for typed in (f"{name} …", f"{name} ..."):
        asked = grammar.parse(typed)
        assert isinstance(asked, UsageError)
        assert asked.asks
        assert asked.spec is spec
        view = forms.opened(asked, spec, channel="C1", choices=OFFERED)
        assert problems_of_view(view) == []
        assert {block.get("block_id") for block in view["blocks"]} >= set(spec.args.model_fields)
    bare = grammar.parse(name)
    assert isinstance(bare, grammar.Invocation) or bare.asks  # type: ignore[union-attr]
    told = grammar.parse(f"help {name}")
    assert isinstance(told, grammar.HelpRequest)
    (button,) = render_help.help_text(told).blocks[-1]["elements"]
    assert button["action_id"] == forms.OPEN
    again = forms.asked_for(button["value"])
    assert again is not None
    assert again.spec is spec


def test_what_can_be_understood_as_it_is_said_opens_no_form() -> None:
    """Where … is a word of a free text, it stays one; a command without arguments has no form."""
    said = grammar.parse("tenant suspend acme --reason …")
    assert isinstance(said, grammar.Invocation)
    bare = grammar.parse("whoami …")
    assert isinstance(bare, UsageError)
    assert not bare.asks


@pytest.mark.parametrize(
    ("typed", "shown", "given"),
    [
        ("tenant create Acme_Co --admin-email foo", "Acme_Co", {"name": "Acme_Co", "admin_email": "foo"}),
        ("tenant create acme --dry-run", "", {"name": "acme"}),
        ("tenant create acme --nonsense", "there is no option --nonsense", {}),
        ("jobs acme", "", {"tenant": "acme"}),
        (f"jobs {'x' * 2500}", "", {}),
    ],
)
def test_a_button_opens_the_form_as_far_as_it_was_typed(typed: str, shown: str, given: dict[str, str]) -> None:
    """What is wrong stands at the form's top; what was right, and how it was to be run, is kept."""
    said = grammar.parse(typed)
    spec = said.spec
    assert spec is not None
    asked = forms.asked_for(forms.button(typed, spec)["value"])
    assert asked is not None
    assert dict(asked.given) == given
    assert asked.how.dry_run is ("--dry-run" in typed)
    view = forms.opened(asked, spec, channel="", choices={})
    assert problems_of_view(view) == []
    tops = [block["text"]["text"] for block in view["blocks"] if block["type"] == "section"]
    assert [shown in top for top in tops] == ([True] if shown else [])


def test_a_button_of_another_version_opens_nothing() -> None:
    """Its command may be gone."""
    assert forms.asked_for("tenant teleport acme") is None
    assert forms.asked_for("whoami") is None


def node(name: str, labels: dict[str, str]) -> Node:
    return Node(name=name, labels=labels, allocatable={}, unschedulable=False)


def test_profiles_are_those_of_the_clusters_cards() -> None:
    """Of every known model that a node has; nodes without GPUs and unknown cards offer none."""
    labels = {
        "nvidia.com/gpu.count": "8",
        "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3",
        "nvidia.com/gpu.memory": "81559",
    }
    nodes = [
        node("gpu-1", labels),
        node("odd", {"nvidia.com/gpu.count": "1", "nvidia.com/gpu.product": "NVIDIA-Z9"}),
        node("cpu", {}),
    ]
    store = MagicMock(tenants=lambda: [MagicMock()])
    found = sources(store, lambda: nodes)
    assert found["nodes"]() == ["gpu-1", "odd"]
    assert "3g.40gb" in found["profiles"]()
    offered = Offers(found).of(CATALOG["capacity"])
    view = forms.form(CATALOG["capacity"], channel="C1", choices=offered)
    options = block_of(view, "profile")["element"]["options"]
    assert {option["value"] for option in options} == set(found["profiles"]())


def test_a_preview_asks_for_what_it_shows() -> None:
    """Its button keeps the command without the dry run; a refusal has no button; too long a file says what to do."""
    made = grammar.parse('tenant create acme --admin-email ana@acme.example --dry-run --reason "it is time"')
    assert isinstance(made, grammar.Invocation)
    shown = Rendered(BAD[:3000], [kit.section(BAD) for _ in range(50)])
    view = previews.preview(made, shown, channel="C1", digest="d" * 64)
    assert problems_of_view(view) == []
    asked = previews.accepted(view["private_metadata"])
    again = asked.invocation
    assert (again.args, again.how, asked.channel) == (made.args, How(reason="it is time"), "C1")
    assert asked.digest == "d" * 64
    assert grammar.parse(again.text) == again
    refused = previews.preview(made, shown, channel="C1", digest="")
    assert "submit" not in refused
    back = forms.asked_for(refused["blocks"][-1]["elements"][0]["value"])
    assert back is not None
    assert back.how == made.how
    assert previews.channel_of(refused) == previews.channel_of(view) == "C1"
    assert previews.channel_of({"private_metadata": BAD}) == previews.channel_of({}) == ""
    assert problems_of_view(previews.waiting(made)) == []
    specs = "\n---\n".join(f"name: tenant-{number}\nadmin_email: ana@acme.example" for number in range(60))
    long = grammar.build(CATALOG["tenant apply"], {"specs": specs}, how=How(dry_run=True))
    assert isinstance(long, grammar.Invocation)
    view = previews.preview(long, shown, channel="C1", digest="d" * 64)
    assert "submit" not in view
    assert "without *Dry run*" in view["blocks"][-1]["elements"][0]["text"]


def plan_of(*steps: Step) -> Plan:
    return Plan(operation="tenant create", subject="acme", summary="Create tenant acme", request={}, steps=steps)


def test_a_plan_that_has_changed_says_how_and_is_asked_for_anew() -> None:
    """Field by field, before the plan of now; its button asks for that one; without a memory it says so."""
    made = grammar.parse("tenant create acme --admin-email ana@acme.example")
    assert isinstance(made, grammar.Invocation)
    before, now = plan_of(*STEPS), plan_of(*STEPS[:2])
    shown = previews.changed(made, now, before, channel="C1")
    assert problems_of_message(shown.text, shown.blocks) == []
    said = json.dumps(shown.blocks)
    assert "The plan has changed since you looked at it: nothing was asked for." in said
    assert "Create queue acme-1: no longer part of the plan" in said
    asked = previews.accepted(shown.blocks[-1]["elements"][0]["value"])
    assert (asked.invocation.args, asked.channel, asked.digest) == (made.args, "C1", now.digest)
    forgotten = previews.changed(made, now, None, channel="C1")
    assert "I was started again since" in json.dumps(forgotten.blocks)


def test_a_changed_plan_keeps_to_the_limits() -> None:
    """Whatever is in it: a command too long for a button gets the form's instead."""
    big = hostile_job(JobState.AWAITING_APPROVAL).plan
    specs = "\n---\n".join(f"name: tenant-{number}\nadmin_email: ana@acme.example" for number in range(60))
    made = grammar.build(CATALOG["tenant apply"], {"specs": specs}, how=How())
    assert isinstance(made, grammar.Invocation)
    shown = previews.changed(made, big, plan_of(*STEPS), channel="C1")
    assert problems_of_message(shown.text, shown.blocks) == []
    assert shown.blocks[-1]["elements"][0]["action_id"] == forms.OPEN


def test_plans_are_remembered_by_their_digest_and_not_for_ever() -> None:
    """The newest ones, however many are looked at."""
    shown, first = previews.ShownPlans(), plan_of(*STEPS)
    shown.remember(first)
    for number in range(previews.MOST_SHOWN):
        assert shown.get(first.digest) == first
        shown.remember(plan_of(Step(id=str(number), kind="k", title="x")))
    assert shown.get(first.digest) is None
