"""The sandbox's world: a workspace, a ClearML server, a cluster and the bot, on 127.0.0.1.

The bot is a process of its own, configured by its environment alone, so that it can be killed and started
again, and so that nothing here is known to it but addresses.
"""

import json
import secrets
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from provisioning import tools
from provisioning.clients.cluster import ClusterClient
from provisioning.clients.helm import Helm
from provisioning.clients.process import ChildProcesses
from provisioning.clock import ShiftedClock
from provisioning.configuration import Cluster, Tools
from sandbox.bot_process import BotError, BotProcess
from sandbox.bystanders import Bystanders
from sandbox.cast import Cast
from sandbox.clearml import api as clearml_api
from sandbox.clearml import pods as clearml_pods
from sandbox.clearml.state import ClearMLState
from sandbox.controlplane import build
from sandbox.controlplane.cluster import ControlPlane
from sandbox.controlplane.gpus import Gpus
from sandbox.controlplane.nodes import DEFAULT_NODES, FakeNode
from sandbox.drawer import Drawer
from sandbox.faults import Faults
from sandbox.platform import SandboxPlatform
from sandbox.processes import orphans_of
from sandbox.serving import LoopbackServer, listen
from sandbox.sight import Sight
from sandbox.slack.app import create_app
from sandbox.slack.manifest import load_manifest
from sandbox.slack.model import Channel, Person
from sandbox.slack.workspace import Workspace

Progress = Callable[[str], None]

CHARTS = Path(__file__).parent / "charts"


class WorldError(Exception):
    """The sandbox could not be set up; the text says why and what to do."""


class World:
    """Everything that a scenario or a person at the page plays with. ``start``, then ``stop``.

    *folder* holds all of its state and is made anew. *kube_context* takes a cluster of the user's in place of
    the sandbox's own. *settings* are extra settings of the bot, by environment name without the prefix;
    ``{world}`` in them is *folder*, ``{charts}`` where the sandbox's charts lie.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cast: Cast,
        progress: Progress,
        kube_context: str | None = None,
        policy: Mapping[str, Any] | None = None,
        settings: Mapping[str, str] | None = None,
        nodes: Sequence[FakeNode] = (),
        page_port: int = 0,
        audited_user: str | None = None,
    ) -> None:
        self.folder = folder
        self._progress = progress
        self._kube_context = kube_context
        self._cast = cast
        self._policy = policy
        self._settings = {
            name: text.replace("{world}", str(folder)).replace("{charts}", str(CHARTS))
            for name, text in (settings or {}).items()
        }
        self._nodes = (*DEFAULT_NODES, *nodes)
        self._page_port = page_port
        self._data_dir = folder / "data"
        self._offset_file = folder / "clock-offset"
        self._clock = ShiftedClock(self._offset_file)
        self._started = ExitStack()  # what stops what was started
        self._audited_user = audited_user  # see ControlPlane
        self._control_plane: ControlPlane | None = None
        self._redis_password, self._image_password = secrets.token_urlsafe(18), secrets.token_urlsafe(18)
        self.platform = SandboxPlatform(folder / "platform")
        self.page_url = ""

    @property
    def database(self) -> Path:
        """Return the bot's store."""
        return self._data_dir / "chatops.db"

    # -- life -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start everything and wait until the bot listens. Raises: WorldError."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._data_dir.mkdir(parents=True)
        self.folder.chmod(0o700)
        page = self._take_page_port()
        self.platform.lay_out()
        helm, kubectl = tools.locate(Tools())
        self._start_cluster()
        self.bystanders = Bystanders(kubectl, kubeconfig=self.kubeconfig, context=self._kube_context)
        children = ChildProcesses(self.folder / "children")
        self._helm = Helm(
            helm, children, kubeconfig=self.kubeconfig, context=self._kube_context, home=self.folder / "helm"
        )
        self.cluster = ClusterClient(Cluster(kubeconfig=self.kubeconfig, context=self._kube_context))
        if self._kube_context is not None:
            self._progress(f"using Kubernetes {self.cluster.ping()} of context {self._kube_context}")
        self._start_clearml()
        self._start_slack(page)
        self.sight = Sight(
            db=self.database,
            clock=self._clock,
            helm=self._helm,
            cluster=self.cluster,
            clearml=self.clearml,
        )
        self.faults = Faults(self)
        self.start_bot()

    def stop(self) -> None:
        """Stop everything that was started, newest first, also where the start has failed. Safe to call again."""
        self._started.close()
        self._control_plane = None

    def _take_page_port(self) -> socket.socket:
        """Take it before all that lasts, so that a port that is taken is told at once. Raises: WorldError."""
        try:
            page = listen(self._page_port)
        except OSError as error:
            raise WorldError(
                f"port {self._page_port} of 127.0.0.1 cannot be had ({error.strerror}): "
                "another sandbox may have it; name another one with --port, or --port 0 for a free one"
            ) from error
        self._started.callback(page.close)
        return page

    def _start_cluster(self) -> None:
        if self._kube_context is not None:
            self.kubeconfig: Path | None = None
            return
        try:
            binaries = build.ensure(self._progress)
        except build.ControlPlaneUnavailable as problem:
            raise WorldError(str(problem)) from problem
        self._control_plane = ControlPlane(
            binaries, self.folder / "control-plane", nodes=self._nodes, audited_user=self._audited_user
        )
        self._started.callback(self._control_plane.stop)
        self._control_plane.start(self._progress)
        self.kubeconfig = self._control_plane.kubeconfig

    def _start_clearml(self) -> None:
        self.clearml = ClearMLState(clock=lambda: self._clock.now().timestamp())
        self.clearml_url = self._serve(LoopbackServer(clearml_api.create_app(self.clearml)))
        self._progress(f"ClearML stand-in at {self.clearml_url}")
        if self._control_plane is not None:
            inside = self._serve(LoopbackServer(clearml_pods.create_app(self.clearml)))
            clearml_pods.write_programs(self._control_plane.gpus.bin, inside)
            self._control_plane.create(clearml_pods.manifests())

    def _start_slack(self, page: socket.socket) -> None:
        everyone = tuple(person.handle for person in self._cast.people)
        self.workspace = Workspace(
            manifest=load_manifest(_manifest_path()),
            people=[
                Person(
                    id=person.id,
                    name=person.handle,
                    real_name=person.name,
                    email=f"{person.handle}@example.com",
                    title=", ".join(sorted(person.roles)),
                    guest=person.guest,
                )
                for person in self._cast.people
            ],
            channels=[
                Channel(name=room.name, members=everyone, private=room.private, with_app=room.bot)
                for room in self._cast.channels
            ],
            clock=lambda: self._clock.now().timestamp(),
        )
        drawer = Drawer(self)
        slack = create_app(self.workspace, drawer.tabs(), drawer.actions())
        self.page_url = self._serve(LoopbackServer(slack, listener=page))
        self._progress(f"Slack stand-in at {self.page_url}")
        self.bot = BotProcess(
            self.workspace, log=self.folder / "bot.log", by_http=self._settings.get("SLACK__MODE") == "http"
        )
        self._started.callback(ChildProcesses(self._data_dir / "children").reap_orphans)
        self._started.callback(self.bot.stop, grace_s=8)

    def _serve(self, server: LoopbackServer) -> str:
        address = server.start()
        self._started.callback(server.stop)
        return address

    # -- the bot --------------------------------------------------------------------------------------------

    def start_bot(self) -> None:
        """Start the bot's process and wait until it listens. Raises: WorldError."""
        try:
            self.bot.start(self.bot_settings())
        except BotError as problem:
            raise WorldError(str(problem)) from problem

    def bot_settings(self) -> dict[str, str]:
        """Return the bot's settings in this world, without the prefix of their names."""
        ours = {
            "DATA_DIR": str(self._data_dir),
            "CLOCK_OFFSET_FILE": str(self._offset_file),
            "SLACK__BASE_URL": f"{self.page_url}/api/",
            "ROLES": json.dumps(self._cast.roles()),
            "CLEARML__API_URL": self.clearml_url,
            "CLEARML__WEB_URL": "https://app.sandbox.example",
            "CLEARML__FILES_URL": "https://files.sandbox.example",
            "CLEARML__ACCESS_KEY": self.clearml.system_key,
            "CLEARML__SECRET_KEY": self.clearml.system_secret,
            "AGENT__CHART__REFERENCE": str(CHARTS / "clearml-enterprise-agent"),
            "AGENT__IMAGE_PASSWORD": self._image_password,
            "REDIS__PASSWORD": self._redis_password,
            "PLATFORM__FILE": str(self.platform.spec),
            "PLATFORM__SECRETS__BILLING_REGISTRY": self._image_password,
            "PORTS__EXTERNAL_IP": "203.0.113.10",
            "SERVER__NAMESPACE": clearml_pods.NAMESPACE,
            "SERVER__APISERVER": clearml_pods.APISERVER,
            "SERVER__FILESERVER": clearml_pods.FILESERVER,
        }
        if self.kubeconfig is not None:
            ours["CLUSTER__KUBECONFIG"] = str(self.kubeconfig)
        if self._kube_context is not None:
            ours["CLUSTER__CONTEXT"] = self._kube_context
        if self._policy is not None:
            policy_file = self.folder / "policy.yaml"
            policy_file.write_text(yaml.safe_dump(dict(self._policy)))
            ours["POLICY_FILE"] = str(policy_file)
        return ours | self._settings

    def orphans(self) -> str:
        """Return the helm processes of this world that no living bot started, one a line."""
        return "\n".join(orphans_of(str(self._data_dir), parent=self.bot.pid))

    # -- what people and scenarios do to the world ------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Turn the bot's and the workspace's clock forward."""
        current = float(self._offset_file.read_text() or 0) if self._offset_file.exists() else 0.0
        self._offset_file.write_text(str(current + seconds))

    def now(self) -> datetime:
        """Return the time as the bot and the workspace have it."""
        return self._clock.now()

    @property
    def gpus(self) -> Gpus:
        """Return the cluster's GPUs. Raises: ValueError where the cluster is the user's own."""
        if self._control_plane is None:
            raise ValueError("only the GPUs of the sandbox's own cluster can be broken")
        return self._control_plane.gpus

    def reboot(self, node: str) -> None:
        """Reboot a node with GPUs: its cards, and what its kubelet says. Raises: ValueError."""
        if self._control_plane is not None:
            self.gpus.reboot(self._control_plane.kubeconfig, node)

    def agent_key(self, tenant: str) -> str | None:
        """Return the access key that the tenant's agent runs with: what its release was given."""
        if self._helm.release(tenant, "clearml-agent") is None:
            return None
        return str(self._helm.values(tenant, "clearml-agent")["clearml"]["agentk8sglueKey"])

    def fault(self, what: Any) -> None:
        """Break or mend something (docs/scenarios.md). Raises: ValueError where it is unknown."""
        self.faults.do(what)


def _manifest_path() -> Path:
    """Return manifest.yml: at the top of a checkout, or beside this module in an installed package."""
    here = Path(__file__).parent
    return next(path for path in (here.parent / "manifest.yml", here / "manifest.yml") if path.exists())
