"""The job's one live message: what stands on it in each state, and Slack's limits whatever is put into it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.slack import kit, render_job, render_modals, render_notes
from bot.slack.mrkdwn import block, code, cut_markup, duration, escape, user
from bot.slack.render_job import Rendered
from policies.approvals import Vote
from provisioning.jobs.job import Failure, Job, JobState, StepState, StepStatus, Waiting
from tests.slack_limits import LINK, MENTION, problems_of_message, problems_of_view, texts_of
from tests.unit.job_samples import ANA, HOSTILE, NOW, PIA, STEPS, failed_job, hostile_job, job


def whole(shown: Rendered) -> str:
    return "\n".join(
        [*(each["text"]["text"] for each in shown.blocks if each["type"] == "header"), *texts_of(shown.blocks)]
    )


def buttons(shown: Rendered) -> dict[str, dict[str, Any]]:
    return {
        element["text"]["text"]: element
        for each in shown.blocks
        if each["type"] == "actions"
        for element in each["elements"]
    }


def message(shown: Job) -> Rendered:
    cards = render_job.job_message(shown, NOW, cards=True)
    assert problems_of_message(cards.text, cards.blocks) == []
    rendered = render_job.job_message(shown, NOW)
    assert problems_of_message(rendered.text, rendered.blocks) == []
    return rendered


def test_the_approval_card_says_everything_that_an_approver_needs() -> None:
    """Who, what, each step with what it found, changes and undoes, who may decide, until when, which plan."""
    asked = job(warnings=("acme.example is new",))
    text = whole(message(asked))
    for words in (
        "Create tenant acme",
        "<@U0000ANA>",
        "`/clearml tenant create acme --admin-email ana@acme.example`",
        "*Job 41* waits for approval",
        "2 of 3 steps have something to do",
        "🆕 Create company acme",
        "undo: delete company acme",
        "✏️ Install release clearml-agent _(change: revision 3 deployed)_",
        "`image.tag`: `null` → `1.24`",
        "… and 1 more",
        "✔️ Create queue acme-1 _(already there)_",
        "⚠️ acme.example is new",
        "one person with the role *admin or approver*, not the requester",
        "`changes-need-one-approver`",
        f"<!date^{int((NOW + timedelta(hours=24)).timestamp())}^",
        f"plan `{asked.digest[:12]}`",
    ):
        assert words in text


def test_buttons_carry_the_job_and_the_plan_that_was_seen() -> None:
    """A vote names what was voted on."""
    asked = job()
    shown = buttons(message(asked))
    assert list(shown) == ["Approve", "Deny", "Details", "Withdraw"]
    for button in shown.values():
        assert json.loads(button["value"]) == {"job": "job-41", "digest": asked.digest}


@pytest.mark.parametrize(
    ("state", "names"),
    [
        (JobState.QUEUED, ["Details", "Cancel"]),
        (JobState.RUNNING, ["Details", "Cancel"]),
        (JobState.ROLLING_BACK, ["Details"]),
        (JobState.FAILED, ["Retry from here", "Roll back", "Leave", "Details"]),
        (JobState.SUCCEEDED, ["Show credentials", "Details"]),
        (JobState.DENIED, ["Details"]),
        (JobState.SUPERSEDED, ["Details"]),
    ],
)
def test_each_state_has_its_buttons(state: JobState, names: list[str]) -> None:
    """Only what can be done now is offered."""
    assert list(buttons(message(job(state)))) == names


def test_credentials_are_offered_once() -> None:
    """After they were shown, the button is gone."""
    assert "Show credentials" not in buttons(message(job(JobState.SUCCEEDED, revealed_at=NOW)))


def test_progress_shows_each_step_and_its_time() -> None:
    """Icons, elapsed times up to now, the newest note of a running step."""
    steps = (
        StepStatus(
            step_id="company",
            state=StepState.DONE,
            started_at=NOW - timedelta(seconds=130),
            finished_at=NOW - timedelta(seconds=5),
        ),
        StepStatus(
            step_id="release", state=StepState.RUNNING, started_at=NOW - timedelta(seconds=5), note="waiting for pods"
        ),
        StepStatus(step_id="queue", state=StepState.SKIPPED, started_at=NOW),
    )
    text = whole(message(job(JobState.RUNNING).model_copy(update={"steps": steps})))
    assert "✅ Create company acme · 2 min 5 s" in text
    assert "⏳ Install release clearml-agent · 5 s" in text
    assert "_waiting for pods_" in text
    assert "✔️ Create queue acme-1 · already there" in text


def test_a_failure_shows_the_commands_own_words_and_what_to_do() -> None:
    """What failed, the last lines of the command, the next action; Roll back says what it undoes."""
    shown = message(failed_job())
    text = whole(shown)
    assert "❌ *Install release clearml-agent: helm upgrade clearml-agent: timed out" in text
    assert "last line &lt;of&gt; helm &amp; co" in text
    assert "*Next:* look at the pods of namespace acme, then Retry" in text
    assert "delete company acme" in buttons(shown)["Roll back"]["confirm"]["text"]["text"]


def test_votes_and_cancellation_stand_on_the_card() -> None:
    """Who approved when and why; that somebody has asked to stop it."""
    vote = Vote(actor=PIA, approve=True, at=NOW, digest="d", reason="agreed with <sales>")
    text = whole(message(job(JobState.RUNNING, votes=(vote,), cancelled_by=PIA)))
    assert "👍 approved by <@U0000PIA>" in text
    assert "agreed with &lt;sales&gt;" in text
    assert "<@U0000PIA> has asked to cancel it" in text


def test_the_thread_tells_who_asked_how_it_ended() -> None:
    """An update notifies nobody: the end does, with every failed step's words. Nothing is told before the end."""
    note = render_notes.thread_note(failed_job())
    assert note is not None
    assert problems_of_message(note.text, note.blocks) == []
    assert note.text.startswith("❌ <@U0000ANA>: job 41 failed")
    assert "last line &lt;of&gt; helm" in whole(note)
    assert render_notes.thread_note(job(JobState.RUNNING)) is None
    assert render_notes.thread_note(job(JobState.WITHDRAWN)) is None


def test_the_thread_tells_why_it_was_not_done_and_who_stopped_it() -> None:
    """A denial comes with its reason, an expiry with what to do, and what another person stopped with who it was."""
    denied = render_notes.thread_note(job(JobState.DENIED, failure=Failure(what="denied by @pia: no\nroom")))
    assert denied is not None
    assert "denied by @pia: no room" in whole(denied)
    late = render_notes.thread_note(
        job(JobState.EXPIRED, failure=Failure(what="nobody came", next_action="run it again"))
    )
    assert late is not None
    assert "*Next:* run it again" in whole(late)
    stopped = render_notes.thread_note(job(JobState.CANCELLED, cancelled_by=PIA))
    assert stopped is not None
    assert "by <@U0000PIA>" in stopped.text
    assert render_notes.thread_note(job(JobState.CANCELLED, cancelled_by=ANA)) is None


def test_a_request_that_came_to_nothing_is_short() -> None:
    """Nobody needs a list of steps that were never begun, nor the same reason twice."""
    vote = Vote(actor=PIA, approve=False, at=NOW, digest="d", reason="no room")
    text = whole(message(job(JobState.DENIED, votes=(vote,), failure=Failure(what="denied by @pia: no room"))))
    assert "Nothing was done; Details has the" in text
    assert "Create company acme" not in text
    assert text.count("no room") == 1
    assert "Create company acme" in whole(message(job(JobState.CANCELLED)))


def test_what_people_write_is_one_line_of_theirs() -> None:
    """A reason of several lines must not look like a vote or a warning of the bot's own."""
    forged = "fine\n👍 approved by the board"
    vote = Vote(actor=PIA, approve=True, at=NOW, digest="d", reason=forged)
    for shown in (message(job(reason=forged)), message(job(JobState.RUNNING, votes=(vote,)))):
        lines = [text for part in texts_of(shown.blocks) for text in part.splitlines()]
        assert not any(text.startswith("👍 approved by the board") for text in lines)
        assert any("fine 👍 approved by the board" in text for text in lines)


def test_what_a_roll_back_undoes_is_counted_where_it_is_too_long_to_say() -> None:
    """Slack's dialog takes 300 characters: a cut list must not read as the whole of it."""
    steps = tuple(step.model_copy(update={"undo": f"{step.id} " + "is taken back " * 6}) for step in STEPS)
    long = failed_job()
    plan = long.plan.model_copy(update={"steps": steps * 1})
    done = tuple(status.model_copy(update={"applied": True}) for status in long.steps)
    (text,) = (
        button["confirm"]["text"]["text"]
        for button in buttons(message(long.model_copy(update={"plan": plan, "steps": done}))).values()
        if button["action_id"] == render_job.ROLL_BACK
    )
    assert len(text) <= 300
    assert text.splitlines()[-1] == "• … and 1 more"


@pytest.mark.parametrize("state", list(JobState))
def test_nothing_hostile_gets_through_in_any_state(state: JobState) -> None:
    """60 steps, 5,000-character texts, mentions, links and entities: within the limits, and harmless."""
    bad = hostile_job(state)
    shown = [message(bad), render_job.bare_message(bad), render_notes.thread_note(bad)]
    shown.append(render_job.plan_message(bad.plan.model_copy(), headline="Dry run."))
    for each in shown:
        if each is not None:
            assert problems_of_message(each.text, each.blocks) == []
            assert_harmless(each.blocks)
            assert_harmless([{"type": "mrkdwn", "text": each.text}])
    for view in (
        render_modals.details_modal(bad),
        render_modals.reason_modal(bad, approve=True, seen_digest="d" * 64),
        render_modals.credentials_modal(bad, HOSTILE, HOSTILE * 9),
        render_modals.text_modal("Credentials", HOSTILE * 99),
    ):
        assert problems_of_view(view) == []
        assert_harmless(view["blocks"])


def assert_harmless(blocks: list[dict[str, Any]]) -> None:
    for text in texts_of(blocks):
        assert not MENTION.search(text), text
        assert not LINK.search(text), text


def test_a_cut_never_leaves_half_an_entity_or_an_open_fence() -> None:
    """Cut markup stays markup."""
    assert cut_markup("abc&amp;def", 7) == "abc…"
    assert cut_markup("see <@U0000ANA> now", 12) == "see…"
    assert cut_markup("```\nlong text", 9).endswith("\n```")
    assert cut_markup("short", 5) == "short"


@given(st.text(), st.integers(12, 60))
def test_cuts_keep_to_their_length(text: str, most: int) -> None:
    """Whatever the text, and never longer than asked."""
    assert len(cut_markup(escape(text), most)) <= most
    assert len(block(text, most)) <= most + 12


@given(st.text())
def test_escaped_text_holds_no_markup_of_slacks(text: str) -> None:
    """No angle bracket survives, no control character but a line's end."""
    for shown in (escape(text), code(text), block(text)):
        assert not set("<>") & set(shown)
        assert all(letter.isprintable() or letter == "\n" for letter in shown)
    assert "`" not in code(text)[1:-1]


def test_only_slacks_ids_become_mentions() -> None:
    """A person of the command line is named, not mentioned; a hostile id is escaped."""
    assert user("U0000ANA", "ana") == "<@U0000ANA>"
    assert user("os:ana", "ana") == "ana"
    assert user("U1>|<!channel", "") == "U1&gt;|&lt;!channel"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (125, "2 min 5 s"), (3840, "1 h 4 min")]
)
def test_durations_read_well(seconds: float, words: str) -> None:
    """Seconds, minutes, hours."""
    assert duration(seconds) == words


def test_long_lists_are_cut_and_counted() -> None:
    """300 lines in two sections: what is left over is said."""
    found = kit.sections([f"line {number} " + "x" * 100 for number in range(300)], most=2)
    assert len(found) == 2
    assert found[-1]["text"]["text"].endswith("more")
    shown = sum(each["text"]["text"].count("line ") for each in found)
    assert f"… and {300 - shown} more" in found[-1]["text"]["text"]


def test_samples_are_what_they_say() -> None:
    """The plan of the samples is a valid one."""
    assert job().plan.steps == STEPS
    assert job().requester == ANA


def test_a_job_that_waits_tells_its_thread_who_has_to_do_what() -> None:
    """The step's line says it too; buttons let it be cancelled."""
    waiting = Waiting(what="somebody to reboot gpu-1", next_action="reboot gpu-1: it is drained")
    status = StepStatus(step_id="company", state=StepState.WAITING, note=f"waits for {waiting.what}", waiting=waiting)
    others = tuple(StepStatus(step_id=step.id) for step in STEPS[1:])
    waits = job(JobState.WAITING).model_copy(update={"steps": (status, *others)})
    note = render_notes.thread_note(waits)
    assert note is not None
    assert "It waits for somebody to reboot gpu-1." in str(note.blocks)
    assert "*Next:* reboot gpu-1: it is drained" in str(note.blocks)
    shown = str(render_job.job_message(waits, NOW).blocks)
    assert "waits for somebody to reboot gpu-1" in shown
    assert render_job.CANCEL in shown


def test_a_digests_plan_links_to_its_channel_and_no_other_plan_does() -> None:
    """People read a name there, not an id; what others wrote is never made a link."""
    shown = job()
    told = "Post digest morning: daily 09:00 in C0123456789, with ports"
    step = shown.plan.steps[0].model_copy(update={"kind": "digest.run", "title": "Post digest morning in C0123456789"})
    digest = shown.plan.model_copy(update={"operation": "digest add", "summary": told, "steps": (step,)})
    dry = render_job.plan_message(digest, headline="Dry run")
    assert problems_of_message(dry.text, dry.blocks) == []
    assert whole(dry).count("<#C0123456789>") == 2
    other = digest.model_copy(
        update={"operation": "tenant create", "steps": (step.model_copy(update={"kind": "helm.release"}),)}
    )
    assert "<#" not in whole(render_job.plan_message(other, headline="Dry run"))
