"""What can be broken in the sandbox, and mended again: by a scenario's ``fault`` or from the page's drawer."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sandbox import agent_charts, by_hand

if TYPE_CHECKING:
    from sandbox.world import World


FOR_GOOD = 10_000  # calls: the most that can be planned


class Faults:
    """Names → what they do. A fault with a number is written ``rate_limit: 3``."""

    def __init__(self, world: "World") -> None:
        clearml, workspace = world.clearml, world.workspace
        self._plain: dict[str, Callable[[], Any]] = {
            "kill_bot": world.bot.kill,
            "stop_bot": world.bot.stop,
            "start_bot": world.start_bot,
            "cordon_nodes": lambda: world.bystanders.cordon_nodes(unschedulable=True),
            "uncordon_nodes": lambda: world.bystanders.cordon_nodes(unschedulable=False),
            "redeliver": workspace.dispatcher.redeliver,
            "disconnect": lambda: workspace.sockets.disconnect("refresh_requested"),
            "slack_down": lambda: workspace.plan_faults(api_error=FOR_GOOD),
            "slack_up": workspace.plan_faults,
            "clearml_down": lambda: setattr(clearml, "is_down", True),
            "clearml_up": lambda: setattr(clearml, "is_down", False),
            "clearml_3_30": lambda: setattr(clearml, "server_version", (3, 30, 0)),
            "clearml_wrong_key": lambda: setattr(clearml, "refuse_key", True),
            "clearml_right_key": lambda: setattr(clearml, "refuse_key", False),
        }
        self._counted: dict[str, Callable[[int], Any]] = {
            "rate_limit": lambda count: workspace.plan_faults(rate_limit=count),
            "slack_slow": lambda count: workspace.plan_faults(slow=count, slow_s=4.0),
            "slack_error": lambda count: workspace.plan_faults(api_error=count),
            "clearml_error": lambda count: setattr(clearml, "fail_next", count),
            "server_job_error": lambda count: setattr(clearml, "fail_jobs", count),
            "clearml_slow": lambda seconds: setattr(clearml, "slow_s", float(seconds)),
        }
        self._named: dict[str, Callable[[str], Any]] = {
            "stranger_company": clearml.add_company,
            "break_chart": world.platform.break_chart,
            "mend_chart": world.platform.mend_chart,
            "agent_chart": lambda said: agent_charts.lay_out(world.folder, said),
            "chart_version": world.platform.set_version,
            "platform_spec": world.platform.set,
            "node_port": world.bystanders.take_node_port,
            "drop_service": world.bystanders.drop_service,
            "gpu_pod": world.bystanders.run_gpu_pod,
            "reboot": world.reboot,
            "node_lost": world.bystanders.lose_node,
            "node_back": world.bystanders.find_node,
            "workload": lambda node: world.bystanders.work_on(node, guarded=False),
            "guarded_workload": lambda node: world.bystanders.work_on(node, guarded=True),
            "drop_budget": world.bystanders.drop_budget,
            "gpu_in_use": lambda where: _change_gpus(world, where, in_use=True),
            "gpu_free": lambda where: _change_gpus(world, where, in_use=False),
            "gpu_stuck": lambda where: _change_gpus(world, where, stuck=True),
            "gpu_unstuck": lambda where: _change_gpus(world, where, stuck=False),
            "drop_policy": world.bystanders.drop_policy,
            "unlabel": world.bystanders.unlabel,
            "worker_reports": lambda name: clearml.agents.update({name: partial(world.agent_key, name)}),
            "worker_silent": lambda name: clearml.agents.pop(name, None),
            "policy": (world.folder / "policy.yaml").write_text,
            "tenant_by_hand": lambda name: by_hand.make(world, name),
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Return every fault's name."""
        return (*self._plain, *self._counted, *self._named)

    def do(self, what: Any) -> None:
        """Do what *what* says: a name, or a mapping of names to numbers or texts. Raises: ValueError."""
        asked = what.items() if isinstance(what, dict) else [(what, None)]
        for name, argument in asked:
            match argument:
                case None if name in self._plain:
                    self._plain[name]()
                case int() if name in self._counted:
                    self._counted[name](argument)
                case str() if name in self._named:
                    self._named[name](argument)
                case _:
                    raise ValueError(f"unknown fault {name}: {argument}; there are: {', '.join(self.names)}")


def _change_gpus(world: "World", where: str, **fields: bool) -> None:
    """Change the cards that *where* names: ``gpu-1``, or ``gpu-1/0``."""
    node, _, index = where.partition("/")
    world.gpus.change(node, [int(index)] if index else [], **fields)
