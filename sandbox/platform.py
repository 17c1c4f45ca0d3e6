"""The platform of the sandbox: a spec, charts and an archive of applications, to be changed and broken at will."""

import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).parent / "charts"
UPLOAD_SCRIPT = Path(__file__).parent / "upload_apps.py"
BROKEN = "sandbox-broken.yaml"
WAIT_S = 60  # how long helm waits: pods of the sandbox are ready within a second, unless a scenario stops them

# A pod that no node takes: helm waits for it in vain, as for an image that cannot be pulled.
NEVER_READY = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-broken
  namespace: {{ .Release.Namespace }}
spec:
  selector: {matchLabels: {app: broken}}
  template:
    metadata: {labels: {app: broken}}
    spec:
      nodeSelector: {sandbox/no-such-node: "true"}
      containers: [{name: broken, image: clearml-chatops.invalid/stand-in/broken}]
"""
_CHARTS_OF = {
    "gpu_operator": "gpu-operator",
    "cdmo": "clearml-dynamic-mig-operator",
    "redis": "redis",
    "billing": "clearml-billing",
    "server": "clearml-enterprise",
}


class SandboxPlatform:
    """Lies in *folder*: ``platform.yaml``, ``charts/``, ``applications.zip``."""

    def __init__(self, folder: Path) -> None:
        self.spec = folder / "platform.yaml"
        self._charts = folder / "charts"
        self._archive = folder / "applications.zip"

    def lay_out(self) -> None:
        """Write everything anew."""
        self.spec.parent.mkdir(parents=True, exist_ok=True)
        for name in _CHARTS_OF.values():
            shutil.copytree(CHARTS / name, self._charts / name)
        with zipfile.ZipFile(self._archive, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(UPLOAD_SCRIPT, "clearml-applications/upload_apps.py")
            for name in ("jupyter", "vscode"):
                archive.writestr(f"clearml-applications/apps/{name}/app.json", '{"name": "' + name + '"}')
        self.spec.write_text(yaml.safe_dump(self._document(), sort_keys=False))

    def set(self, said: str) -> None:
        """Set a field of the spec: ``redis.architecture=replication``; ``redis=`` takes it out. Raises: ValueError."""
        path, equals, value = said.partition("=")
        document = yaml.safe_load(self.spec.read_text())
        *parents, last = path.strip().split(".")
        holder = document
        for name in parents:
            holder = holder.get(name) if isinstance(holder, dict) else None
        if not equals or not isinstance(holder, dict):
            raise ValueError(f"platform_spec: {said!r}: write it as in redis.architecture=replication")
        if value:
            holder[last] = yaml.safe_load(value)
        else:
            holder.pop(last, None)
        self.spec.write_text(yaml.safe_dump(document, sort_keys=False))

    def set_version(self, said: str) -> None:
        """Make a chart another version: ``server 1.1.0``. Raises: ValueError."""
        component, _, version = said.partition(" ")
        path = self._chart(component) / "Chart.yaml"
        described = yaml.safe_load(path.read_text())
        described["version"] = version.strip()
        path.write_text(yaml.safe_dump(described))

    def break_chart(self, component: str) -> None:
        """Add a pod to the component's chart that never becomes ready. Raises: ValueError."""
        (self._chart(component) / "templates" / BROKEN).write_text(NEVER_READY)

    def mend_chart(self, component: str) -> None:
        """Take it out again. Raises: ValueError."""
        (self._chart(component) / "templates" / BROKEN).unlink(missing_ok=True)

    def _chart(self, component: str) -> Path:
        try:
            return self._charts / _CHARTS_OF[component.strip().replace("-", "_")]
        except KeyError:
            raise ValueError(f"no chart of {component!r}: there are {', '.join(_CHARTS_OF)}") from None

    def _document(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            name: {"chart": {"file": str(self._charts / chart)}, "timeout_s": WAIT_S}
            for name, chart in _CHARTS_OF.items()
        }
        parts["billing"] |= {
            "registry_password": {"setting": "platform.secrets.billing_registry"},
            "kafka_password_value": "kafka.auth.password",
        }
        parts["server"] |= {"supervisor": {"email": "ops@sandbox.example"}, "apiserver_tag": "3.21.6-1443"}
        return {
            "version": 1,
            "base_domain": "sandbox.example",
            **parts,
            "policies": {},
            "applications": {
                "file": str(self._archive),
                "sha256": hashlib.sha256(self._archive.read_bytes()).hexdigest(),
            },
        }
