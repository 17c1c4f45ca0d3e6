"""What the page's drawer shows of the world behind the bot, and the buttons in it."""

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from provisioning.errors import ChatopsError

if TYPE_CHECKING:
    from sandbox.world import World

ROWS = 200
RELEASES_FRESH_S = 3.0  # helm takes half a second to list


class Drawer:
    """Tabs and actions for the page, over a world that is still starting."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._releases: tuple[float, list[dict[str, Any]]] = (0.0, [])

    def tabs(self) -> Mapping[str, Callable[[], Any]]:
        return {
            "audit": self._audit,
            "releases": self._list_releases,
            "clearml": self._clearml,
            "clock": self._clock,
            "faults": self._faults,
        }

    def actions(self) -> Mapping[str, Callable[[dict[str, Any]], Any]]:
        world = self._world
        return {
            "advance": lambda given: world.advance(float(given["seconds"])),
            "fault": lambda given: world.fault(given["fault"]),
        }

    def _audit(self) -> Any:
        shown = ("seq", "at", "action", "actor_name", "subject", "job", "step", "outcome")
        return [{name: row[name] for name in shown} for row in self._world.sight.audit(limit=ROWS)]

    def _list_releases(self) -> Any:
        listed_at, rows = self._releases
        if time.monotonic() - listed_at > RELEASES_FRESH_S:
            try:
                rows = self._world.sight.releases()
            except ChatopsError as error:
                return {"problem": str(error)}
            self._releases = (time.monotonic(), rows)
        return rows

    def _clearml(self) -> Any:
        clearml = self._world.clearml
        with clearml.lock:
            calls = [
                {
                    "endpoint": call["endpoint"],
                    "as": ", ".join(call["as"]),
                    "answer": f"{call['code']}/{call['subcode']}",
                }
                for call in list(clearml.calls)[-ROWS:]
            ]
        companies = [
            {
                "name": company["name"],
                "domains": ", ".join(company["domains"]),
                "queues": ", ".join(company["queues"]),
                "users": len(company["users"]),
            }
            for company in clearml.companies()
        ]
        return {"companies": companies, "calls": calls}

    def _clock(self) -> Any:
        def forward(label: str, seconds: int) -> dict[str, Any]:
            return {"name": "advance", "label": label, "input": {"seconds": seconds}}

        return {
            "now": self._world.now().isoformat(timespec="seconds"),
            "actions": [forward("+ 1 hour", 3600), forward("+ 1 day", 86_400)],
        }

    def _faults(self) -> Any:
        def break_it(label: str, fault: Any) -> dict[str, Any]:
            return {"name": "fault", "label": label, "input": {"fault": fault}, "danger": True}

        def mend(label: str, fault: Any) -> dict[str, Any]:
            return {"name": "fault", "label": label, "input": {"fault": fault}}

        return {
            "bot": "runs" if self._world.bot.runs else "is dead",
            "actions": [
                break_it("Kill the bot (-9)", "kill_bot"),
                mend("Start the bot", "start_bot"),
                break_it("No room for pods: helm waits", "cordon_nodes"),
                mend("Room for pods", "uncordon_nodes"),
                break_it("Node gpu-2 lost", {"node_lost": "gpu-2"}),
                mend("Node gpu-2 back", {"node_back": "gpu-2"}),
                break_it("Slack down", "slack_down"),
                mend("Slack up", "slack_up"),
                break_it("ClearML: 3 x 500", {"clearml_error": 3}),
                break_it("ClearML down", "clearml_down"),
                mend("ClearML up", "clearml_up"),
            ],
        }
