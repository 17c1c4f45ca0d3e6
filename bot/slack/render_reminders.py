"""What is said to people whose word is missing, and to admins whose policy is. Pure."""

from bot.slack import kit
from bot.slack.mrkdwn import cut, cut_markup, date, escape, mention, user
from bot.slack.render_job import Rendered
from policies.approvals import Approval, counted
from provisioning.jobs.job import Job


def reminder(job: Job, approval: Approval) -> Rendered:
    """Return the word that a request still waits."""
    return _rendered(f"⏰ {_job(job)} still waits for approval: it needs {_missing(job, approval)}.")


def escalation(job: Job, approval: Approval) -> Rendered:
    """Return the word to those who are called when nobody decides."""
    who = " ".join(mention(one) for one in approval.escalate_to)
    return _rendered(
        f"📣 {who}: {_job(job)} waits for approval, and nobody decides: it needs {_missing(job, approval)}."
    )


def glass_broken(job: Job) -> Rendered:
    """Return the word to everybody who could have approved."""
    where = f" in <#{job.place.channel}>" if job.place else ""
    return _rendered(
        f"🚨 {user(job.requester.id, job.requester.name)} has broken the glass{where}: {_job(job)} runs without"
        f" approval.\n*Why:* {escape(cut(job.reason, 600))}\n*Next:* look at it with `/clearml job show {job.number}`,"
        f' and review it afterwards: `/clearml job review {job.number} --note "…"`'
    )


def policy_refused(problem: str, digest: str) -> Rendered:
    """Return the word to admins that the policy's file, as it is now, is not taken."""
    return _rendered(
        f"⚠️ The policy file is not taken: the version {digest[:12]} counts on.\n{escape(cut(problem, 1500))}\n"
        "*Next:* mend the file; a running bot takes it by itself"
    )


def policy_taken(digest: str) -> Rendered:
    """Return the word to admins that the file is a policy again."""
    return _rendered(f"✅ The policy file is right again: the version {digest[:12]} counts.")


def review_wanted(job: Job) -> Rendered:
    """Return the word that broken glass is not reviewed yet."""
    return _rendered(
        f"🚨 {_job(job)} went ahead without approval, and nobody has reviewed it yet. Anybody but"
        f' {user(job.requester.id, job.requester.name)}: `/clearml job review {job.number} --note "…"`'
    )


def _missing(job: Job, approval: Approval) -> str:
    given = sum(vote.approve for vote in counted(job.votes))
    so_far = f" ({given} of {approval.needed} so far)" if given else ""
    return f"*{escape(approval.asks)}*{so_far} until {date(approval.expires_at)}"


def _job(job: Job) -> str:
    return f"*job {job.number}* ({escape(cut(job.plan.summary, 300))})"


def _rendered(text: str) -> Rendered:
    return Rendered(cut_markup(text, kit.TEXT_CHARS), [kit.section(text)])
