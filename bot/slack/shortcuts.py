"""What the menu of a message offers (manifest.yml, ``shortcuts``): what is asked for by it. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.slack.mrkdwn import cut
from commands import grammar
from commands.catalog import CATALOG
from commands.file_links import file_id_of, reference_to
from commands.grammar import How, Invocation, UsageError
from policies.approvals import Refusal
from provisioning.wording import listed

APPLY = "apply_tenants"  # its callback_id

MOST_NAMES = 5
_SUFFIXES = (".yaml", ".yml")
_BY_LINK = f"{grammar.COMMAND} tenant apply LINK takes the link of any text file"


def applied(files: Sequence[Mapping[str, Any]]) -> Invocation | Refusal:
    """Return the preview of `tenant apply` of the one YAML file among a message's *files* (id, name), or why not.

    Nothing else of a message is taken: what the file is, and whether who asks may see it, Slack says when it is read.
    """
    found = [one for one in files if str(one.get("name", "")).lower().endswith(_SUFFIXES)]
    if not found:
        return Refusal(
            reason="that message has no YAML file", next_action=f"share the tenants as a .yaml file; or {_BY_LINK}"
        )
    if len(found) > 1:
        names = listed([cut(str(one["name"]), 60) for one in found], MOST_NAMES)
        return Refusal(
            reason=f"that message has {len(found)} YAML files: {names}",
            next_action=f"share the one that is meant alone; or {_BY_LINK}",
        )
    reference = reference_to(str(found[0].get("id", "")))
    spec = CATALOG["tenant apply"]
    built = grammar.build(spec, {"specs": reference}, how=How(dry_run=True))
    if isinstance(built, UsageError) or file_id_of(reference) is None:
        return Refusal(reason="Slack does not say which file that is", next_action=_BY_LINK)
    return built
