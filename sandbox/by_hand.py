"""A tenant as somebody makes it by hand with the guide: what `tenant import` takes up."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioning import tools
from provisioning.configuration import Tools

if TYPE_CHECKING:
    from sandbox.world import World

CHART = Path(__file__).parent / "charts" / "clearml-enterprise-agent"
LONGEST_S = 120
FIRST_PORT = 31_010  # the guide's


def make(world: "World", name: str) -> None:
    """Make company, admin, key, namespace and agent of *name*, with the guide's values and this cluster's slices.

    Raises: ValueError where helm refuses.
    """
    company = world.clearml.add_company(name)
    with world.clearml.lock:
        user = world.clearml.create_user(
            name=f"{name} admin", company=company, email=f"ana@{name}.example", role="admin", internal=False
        )
        world.clearml.companies_by_id[company].domains = [f"{name}.example"]
        key = world.clearml.create_credentials(user, "", None)
        world.clearml.save()
    sessions = {
        "portModeEnabled": True,
        "agentID": name,
        "externalIP": "203.0.113.10",
        "startingPort": FIRST_PORT,
        "maxServices": 10,
    }
    slices = {"default": ("0.5", None), "gpu-fraction-0_50": ("0.5", "3g.40gb")}
    values = guide_values(world.clearml_url, slices=slices, sessions=sessions) | {
        "clearml": {"agentk8sglueKey": key.access_key, "agentk8sglueSecret": key.secret_key}
    }
    helm, _ = tools.locate(Tools())
    where = [] if world.kubeconfig is None else ["--kubeconfig", str(world.kubeconfig)]
    install = ["install", "clearml-agent", str(CHART), "--namespace", name, "--create-namespace", "--wait", "-f", "-"]
    done = subprocess.run(
        [str(helm), *where, *install],
        input=json.dumps(values).encode(),
        check=False,
        capture_output=True,
        timeout=LONGEST_S,
    )
    if done.returncode:
        raise ValueError(f"helm install {name}: {done.stderr.decode(errors='replace').strip()}")


def guide_values(
    clearml_url: str, *, slices: Mapping[str, tuple[str, str | None]], sessions: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the guide's overrides of an agent, but its key.

    Args:
        slices: queue → the share that its tasks count, and the MIG profile that they get, if any.
    """

    def queue(share: str, profile: str | None) -> dict[str, Any]:
        limits = {f"nvidia.com/mig-{profile}": 1, "clear.ml/fraction-1": share}
        labels = {"required-resources": share, "billing-monitored": "true"}
        resources = {"resources": {"limits": limits}} if profile else {}
        return {"templateOverrides": {"labels": labels, **resources}, "queueSettings": {"maxPods": 10}}

    return {
        "imageCredentials": {"password": "by-hand"},
        "agentk8sglue": {
            "apiServerUrlReference": clearml_url,
            "fileServerUrlReference": "https://files.sandbox.example",
            "webServerUrlReference": "https://app.sandbox.example",
            "createQueues": True,
            "monitoredResources": {
                "maxResources": 3,
                "minResourcesFieldName": "metadata|labels|required-resources",
                "maxResourcesFieldName": "metadata|labels|required-resources",
            },
            "queues": {name: queue(share, profile) for name, (share, profile) in slices.items()},
            "sessions": dict(sessions),
        },
    }
