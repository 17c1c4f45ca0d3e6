"""Replies that are lists and texts, the Home tab and forms: what they say, and Slack's limits for any input."""

from typing import Any

from bot.slack import render_help, render_lists
from bot.slack.mrkdwn import escape
from bot.slack.render_home import Glance, home
from commands import grammar
from commands.catalog import CATALOG
from commands.grammar import HelpRequest, UsageError
from commands.help import arguments_of
from policies.approvals import Actor, Refusal
from provisioning.errors import PermanentError
from provisioning.jobs.job import JobState
from provisioning.jobs.pending import pending_for
from provisioning.store.samples import Sample
from tests.slack_limits import LINK, MENTION, problems_of_message, problems_of_view, texts_of
from tests.unit.job_samples import ANA, HOSTILE, NOW, PIA, hostile_job, job
from tests.unit.test_render_job import assert_harmless, whole

BAD = HOSTILE * 40


def row(**fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "seq": 7,
        "at": NOW.isoformat(),
        "action": "job.approved",
        "actor": "U0000PIA",
        "actor_name": "pia",
        "subject": "acme",
        "job": "job-41",
        "step": None,
        "attempt": 1,
        "outcome": "1 of 1",
        "rule": "changes-need-one-approver",
        "plan_digest": "d" * 64,
        "detail": {"reason": "agreed"},
    }
    return known | fields


def test_every_reply_keeps_to_the_limits_and_is_harmless() -> None:
    """Hostile and long texts, 300 rows, 300 jobs."""
    hostile_row = row(actor=BAD, actor_name=BAD, subject=BAD, action=BAD, outcome=BAD, rule=BAD, detail={"why": BAD})
    for shown in (
        render_help.usage_error(UsageError(message=BAD, usage=BAD)),
        render_help.help_text(HelpRequest(text=BAD)),
        render_lists.refusal(Refusal(reason=BAD, next_action=BAD)),
        render_lists.problem(PermanentError(BAD, next_action=BAD, details=BAD * 3)),
        render_lists.jobs([hostile_job(JobState.FAILED, many=1)] * 300, title=BAD, empty=""),
        render_lists.audit([hostile_row] * 300, subject=BAD),
        render_lists.audit([], subject=BAD),
        render_lists.whoami(Actor(id=BAD, name=BAD, roles=frozenset({BAD}))),
        render_lists.incident("abcd1234"),
    ):
        assert problems_of_message(shown.text, shown.blocks) == []
        assert_harmless(shown.blocks)
        assert not MENTION.search(shown.text)
        assert not LINK.search(shown.text)


def test_every_commands_help_fits_and_is_whole() -> None:
    """Help is never cut: each argument, each example and each command of a family stands in the reply."""
    families = {name.split()[0] for name in CATALOG if " " in name}
    for text in ["", *families, *CATALOG]:
        asked = grammar.parse(f"help {text}")
        assert isinstance(asked, HelpRequest)
        shown = render_help.help_text(asked)
        assert problems_of_message(shown.text, shown.blocks) == []
        told = whole(shown)
        assert "…\n```" not in told
        assert "```\n…" not in told
        if asked.spec is not None:
            assert [argument for argument, _ in arguments_of(asked.spec) if f"`{argument}`" not in told] == []
            assert [example for example in asked.spec.examples if escape(example) not in told] == []
        elif text:
            assert [name for name in asked.commands if f"`/clearml {name}`" not in told] == []


def test_help_of_all_is_read_in_one_look_at_a_phone() -> None:
    """A family has its line and its verbs; a command by itself its line."""
    asked = grammar.parse("help")
    assert isinstance(asked, HelpRequest)
    told = whole(render_help.help_text(asked)).splitlines()
    assert sum(len(line) // 45 + 1 for line in told) < 75
    at = told.index("`/clearml job` One job: look at it, run it again, undo, cancel, review")
    assert told[at - 1] == "`/clearml jobs` List jobs, newest first"
    assert told[at + 1].startswith("show · retry · rollback")
    assert any(line.startswith("`/clearml capacity` ") for line in told)


def test_a_usage_error_says_what_is_wrong_and_how_it_is_used() -> None:
    """With the usage of what was meant."""
    error = grammar.parse("tennant create acme")
    assert isinstance(error, UsageError)
    text = whole(render_help.usage_error(error))
    assert "did you mean /clearml tenant create?" in text
    assert "--admin-email ADDRESS" in text


def test_a_refusal_says_what_to_do_next() -> None:
    """Reason and next action."""
    text = whole(render_lists.refusal(Refusal(reason="no <role>", next_action="ask an admin")))
    assert "no &lt;role&gt;" in text
    assert "*Next:* ask an admin" in text


def test_jobs_are_listed_with_their_state_and_who_asked() -> None:
    """One line a job; an empty list says so."""
    text = whole(render_lists.jobs([job(), job(JobState.FAILED)], title="Jobs", empty="There are no jobs yet."))
    assert "🙋 *Job 41* waits for approval · Create tenant acme · <@U0000ANA>" in text
    assert "❌ *Job 41* failed" in text
    assert whole(render_lists.jobs([], title="Jobs", empty="There are no jobs yet.")) == "There are no jobs yet."


def test_audit_rows_say_who_did_what_by_which_rule() -> None:
    """Seq, time, action, person, subject, outcome, rule and reason."""
    text = whole(render_lists.audit([row()], subject="acme"))
    for words in ("`7`", "*job.approved*", "<@U0000PIA>", "acme", "job-41", "1 of 1", "`changes-need-one-approver`"):
        assert words in text
    assert "agreed" in text
    bare = whole(render_lists.audit([row(actor="bot", actor_name="", rule=None, detail={})], subject=None))
    assert "bot" in bare


def test_whoami_says_id_and_roles() -> None:
    """And that there are none, with what to do."""
    assert "*operator*" in whole(render_lists.whoami(ANA))
    nobody = whole(render_lists.whoami(Actor(id="U9", name="x")))
    assert "no role" in nobody
    assert "ask an admin" in nobody


def test_home_shows_what_waits_for_me() -> None:
    """An approver sees what they may decide on; the requester sees their own as theirs."""
    jobs = [job(), job(JobState.RUNNING).model_copy(update={"number": 42})]
    for_pia = home(PIA, jobs, pending_for(PIA, jobs, ()), Glance())
    assert problems_of_view(for_pia) == []
    waiting = list(texts_of(for_pia))
    assert any("*Job 41*" in text for text in waiting[:2])
    assert any("/clearml job show JOB" in text for text in waiting)
    assert "To be reviewed" not in waiting  # nobody has broken the glass
    for_ana = list(texts_of(home(ANA, jobs, pending_for(ANA, jobs, ()), Glance())))
    assert "_Nothing waits for your approval._" in for_ana
    assert sum("*Job 41*" in text for text in for_ana) == 1


def test_home_keeps_to_the_limits() -> None:
    """300 hostile jobs."""
    many = [hostile_job(JobState.AWAITING_APPROVAL, many=1)] * 300
    hostile_row = row(actor=BAD, actor_name=BAD, subject=BAD, action=BAD, outcome=BAD, rule=BAD, detail={"why": BAD})
    seen = Glance(sample=Sample(at=NOW, values={"gpus": 1e12}), audit=[hostile_row] * 300, may_create=True)
    view = home(PIA, many, pending_for(PIA, many, many), seen)
    assert problems_of_view(view) == []
    assert_harmless(view["blocks"])


def test_a_row_of_the_audit_trail_shows_no_whole_digest() -> None:
    """Twelve digits are enough to know a policy by; sixty-four push the rest off a phone."""
    told = render_lists.audit_line(row(subject="0123456789abcdef" * 4))
    assert "0123456789ab" in told
    assert "0123456789abc" not in told
