"""The sandbox's world: a workspace, a ClearML server, a cluster and the bot, on 127.0.0.1.

The bot is a process of its own, configured by its environment alone, so that it can be killed and started
again, and so that nothing here is known to it but addresses.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
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
from sandbox.cast import Cast
from sandbox.clearml import api as clearml_api
from sandbox.clearml import pods as clearml_pods
from sandbox.clearml.state import ClearMLState
from sandbox.controlplane import build, workloads
from sandbox.controlplane.cluster import ControlPlane
from sandbox.controlplane.gpus import Gpus
from sandbox.controlplane.nodes import DEFAULT_NODES, FakeNode
from sandbox.drawer import Drawer
from sandbox.faults import Faults
from sandbox.platform import SandboxPlatform
from sandbox.processes import Child, free_ports, orphans_of
from sandbox.serving import LoopbackServer
from sandbox.sight import Sight
from sandbox.slack.app import create_app
from sandbox.slack.manifest import load_manifest
from sandbox.slack.model import Channel, Person, SandboxError
from sandbox.slack.workspace import Workspace

Progress = Callable[[str], None]

CHARTS = Path(__file__).parent / "charts"
BOT_READY_S = 60.0
BOT_DRAIN_S = 45.0


class WorldError(Exception):
    """The sandbox could not be set up; the text says why and what to do."""


class World:
    """Everything that a scenario or a person at the page plays with. ``start``, then ``stop``.

    *folder* holds all of its state and is made anew. *kube_context* takes a cluster of the user's in place of
    the sandbox's own. *settings* are extra settings of the bot, by environment name without the prefix;
    ``{world}`` in them is *folder*.
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
        self._settings = {name: text.replace("{world}", str(folder)) for name, text in (settings or {}).items()}
        self._nodes = (*DEFAULT_NODES, *nodes)
        self._page_port = page_port
        self._data_dir = folder / "data"
        self._offset_file = folder / "clock-offset"
        self._clock = ShiftedClock(self._offset_file)
        self._servers: list[LoopbackServer] = []
        self._audited_user = audited_user  # see ControlPlane
        self._control_plane: ControlPlane | None = None
        self._bot: Child | None = None
        self._by_http = self._settings.get("SLACK__MODE") == "http"
        self._http_port = free_ports(1)[0]
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
        self.platform.lay_out()
        helm, self._kubectl = tools.locate(Tools())
        self._start_cluster()
        children = ChildProcesses(self.folder / "children")
        self._helm = Helm(
            helm, children, kubeconfig=self.kubeconfig, context=self._kube_context, home=self.folder / "helm"
        )
        self.cluster = ClusterClient(Cluster(kubeconfig=self.kubeconfig, context=self._kube_context))
        if self._kube_context is not None:
            self._progress(f"using Kubernetes {self.cluster.ping()} of context {self._kube_context}")
        self._start_clearml()
        self._start_slack()
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
        """Stop everything that was started, newest first. Safe to call again."""
        if self._bot is not None:
            self._bot.stop(grace_s=8)
            self._bot = None
        ChildProcesses(self._data_dir / "children").reap_orphans()
        for server in reversed(self._servers):
            server.stop()
        self._servers.clear()
        if self._control_plane is not None:
            self._control_plane.stop()
            self._control_plane = None

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
        self._control_plane.start(self._progress)
        self.kubeconfig = self._control_plane.kubeconfig

    def _start_clearml(self) -> None:
        self.clearml = ClearMLState(clock=lambda: self._clock.now().timestamp())
        server = LoopbackServer(clearml_api.create_app(self.clearml))
        self.clearml_url = server.start()
        self._servers.append(server)
        self._progress(f"ClearML stand-in at {self.clearml_url}")
        if self._control_plane is not None:
            inside = LoopbackServer(clearml_pods.create_app(self.clearml))
            clearml_pods.write_programs(self._control_plane.gpus.bin, inside.start())
            self._servers.append(inside)
            self._control_plane.create(clearml_pods.manifests())

    def _start_slack(self) -> None:
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
            channels=[Channel(name=name, members=everyone) for name in self._cast.channels],
            clock=lambda: self._clock.now().timestamp(),
        )
        drawer = Drawer(self)
        server = LoopbackServer(create_app(self.workspace, drawer.tabs(), drawer.actions()), port=self._page_port)
        self.page_url = server.start()
        self._servers.append(server)
        self._progress(f"Slack stand-in at {self.page_url}")

    # -- the bot --------------------------------------------------------------------------------------------

    def start_bot(self) -> None:
        """Start the bot's process and wait until its socket is connected. Raises: WorldError."""
        if self._bot is not None and self._bot.returncode is None:
            return
        log = self.folder / "bot.log"
        self._bot = Child("bot", [sys.executable, "-m", "bot.cli", "serve"], log=log, env=self._bot_environment())
        try:
            self.workspace.wait(lambda: self._bot_listens() or self._bot_ended(), BOT_READY_S)
        except TimeoutError:
            raise WorldError(
                f"the bot did not listen within {BOT_READY_S:.0f} s:\n{self._bot.last_lines(15)}"
            ) from None
        if self._bot_ended():
            raise WorldError(f"the bot ended with {self._bot.returncode}:\n{self._bot.last_lines(15)}")

    def _bot_listens(self) -> bool:
        if not self._by_http:
            return self.workspace.connected
        try:
            self.workspace.deliver_by_http(f"http://127.0.0.1:{self._http_port}/slack/events")
        except SandboxError:
            return False
        return True

    def stop_bot(self) -> None:
        """Ask the bot to end, as Kubernetes does, and wait until it has."""
        if self._bot is not None:
            self._bot.stop(grace_s=BOT_DRAIN_S)

    def kill_bot(self) -> None:
        """``kill -9`` the bot's process alone."""
        if self._bot is not None:
            self._bot.kill()

    @property
    def bot_runs(self) -> bool:
        return not self._bot_ended()

    def _bot_ended(self) -> bool:
        return self._bot is None or self._bot.returncode is not None

    def _bot_environment(self) -> dict[str, str]:
        inherited = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "XDG_CACHE_HOME", "TMPDIR", "KUBECONFIG")
            if name in os.environ
        }
        ours = {
            "DATA_DIR": str(self._data_dir),
            "CLOCK_OFFSET_FILE": str(self._offset_file),
            "SLACK__BASE_URL": f"{self.page_url}/api/",
            "SLACK__BOT_TOKEN": self.workspace.bot_token,
            "SLACK__APP_TOKEN": self.workspace.app_token,
            "SLACK__SIGNING_SECRET": self.workspace.signing_secret,
            "SLACK__HTTP_PORT": str(self._http_port),
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
        return inherited | {f"CLEARML_CHATOPS_{name}": value for name, value in (ours | self._settings).items()}

    def orphans(self) -> str:
        """Return the helm processes of this world that no living bot started, one a line."""
        bot = self._bot.pid if self._bot is not None and self.bot_runs else -1
        return "\n".join(orphans_of(str(self._data_dir), parent=bot))

    # -- what people and scenarios do to the world ------------------------------------------------------------

    def advance(self, seconds: float) -> None:
        """Turn the bot's and the workspace's clock forward."""
        current = float(self._offset_file.read_text() or 0) if self._offset_file.exists() else 0.0
        self._offset_file.write_text(str(current + seconds))

    def now(self) -> datetime:
        """Return the time as the bot and the workspace have it."""
        return self._clock.now()

    def cordon_nodes(self, *, unschedulable: bool) -> None:
        """Let no new pod be scheduled, so that helm waits for its pods; or let them again."""
        self._run_kubectl("cordon" if unschedulable else "uncordon", "--selector", "type=kwok")

    def take_node_port(self, what: str) -> None:
        """Let a Service of somebody's have a NodePort: ``default/front:31012``. Raises: ValueError."""
        where, _, port = what.rpartition(":")
        namespace, _, name = where.partition("/")
        if not (namespace and name and port.isdigit()):
            raise ValueError(f"node_port: {what} is not as in default/front:31012")
        self._run_kubectl("create", "service", "nodeport", name, "-n", namespace, "--tcp=80", f"--node-port={port}")

    def drop_service(self, what: str) -> None:
        """Delete a Service behind everybody's back: ``acme/clearml-session-3``."""
        namespace, _, name = what.partition("/")
        self._run_kubectl("delete", "service", "-n", namespace, name)

    def drop_policy(self, policy: str) -> None:
        """Delete the NetworkPolicy ``namespace/name`` by hand."""
        namespace, _, name = policy.partition("/")
        self._run_kubectl("delete", "networkpolicy", "-n", namespace, name)

    def unlabel(self, what: str) -> None:
        """Take a label off a namespace by hand: ``acme/LABEL``."""
        namespace, _, label = what.partition("/")
        self._run_kubectl("label", "namespace", namespace, f"{label}-")

    def run_gpu_pod(self, what: str) -> None:
        """Let somebody's pod want a slice: ``acme/train-1:3g.40gb``. Raises: ValueError."""
        where, _, profile = what.partition(":")
        namespace, _, name = where.partition("/")
        if not (namespace and name and profile):
            raise ValueError(f"gpu_pod: {what} is not as in acme/train-1:3g.40gb")
        wanted = {"limits": {f"nvidia.com/mig-{profile.replace('+', '.')}": "1"}}
        container = {"name": name, "image": "train:sandbox", "resources": wanted}
        spec = json.dumps({"spec": {"containers": [container]}})
        self._run_kubectl("run", name, "-n", namespace, "--image=train:sandbox", f"--overrides={spec}")

    def work_on(self, node: str, *, guarded: bool) -> None:
        """Run a pod on the node and wait until it does; *guarded*: its disruption budget forbids an eviction."""
        objects = workloads.work(node, guarded=guarded)
        self._run_kubectl("apply", "-f", "-", stdin=workloads.listed(objects))
        self._run_kubectl("rollout", "status", "-n", workloads.NAMESPACE, f"deployment/work-{node}", "--timeout=30s")

    def drop_budget(self, node: str) -> None:
        """Delete the disruption budget of what runs on the node."""
        self._run_kubectl("delete", "pdb", "-n", workloads.NAMESPACE, f"keep-{node}")

    def _run_kubectl(self, *words: str, stdin: str = "") -> None:
        where = [] if self.kubeconfig is None else ["--kubeconfig", str(self.kubeconfig)]
        where += [] if self._kube_context is None else ["--context", self._kube_context]
        command = [str(self._kubectl), *where, *words]
        done = subprocess.run(command, input=stdin.encode(), check=False, capture_output=True, timeout=60)
        if done.returncode:
            raise ValueError(f"kubectl {' '.join(words)}: {done.stderr.decode(errors='replace').strip()}")

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

    def fault(self, what: Any) -> None:
        """Break or mend something (docs/scenarios.md). Raises: ValueError where it is unknown."""
        self.faults.do(what)


def _manifest_path() -> Path:
    """Return manifest.yml: at the top of a checkout, or beside this module in an installed package."""
    here = Path(__file__).parent
    return next(path for path in (here.parent / "manifest.yml", here / "manifest.yml") if path.exists())
