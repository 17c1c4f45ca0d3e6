"""What kwok's kubelets do: nodes turn Ready, pods run, pods of Jobs complete, deleted pods go.

Each stage is kwok's ``Stage``: which objects it takes, and a template of the status that it writes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sandbox.gpus import device_plugin

_GONE = {"key": ".metadata.deletionTimestamp", "operator": "Exists"}
_NOT_GONE = {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"}
_READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'

_NODE_READY = """
{{ $now := Now | Quote }}
phase: Running
conditions:
{{ range NodeConditions }}
- {type: {{ .type | Quote }}, status: {{ .status | Quote }}, reason: {{ .reason | Quote }},
   message: {{ .message | Quote }}, lastHeartbeatTime: {{ $now }}, lastTransitionTime: {{ $now }}}
{{ end }}
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
- {type: Hostname, address: {{ NodeName | Quote }}}
daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}
nodeInfo:
  architecture: amd64
  operatingSystem: linux
  kubeletVersion: "kwok-{{ Version }}"
  kubeProxyVersion: ""
  containerRuntimeVersion: kwok
  kernelVersion: kwok
  osImage: kwok
  bootID: {{ or .status.nodeInfo.bootID .metadata.uid | Quote }}
  machineID: ""
  systemUUID: ""
"""

_POD_RUNNING = """
{{ $now := Now | Quote }}
phase: Running
startTime: {{ $now }}
conditions:
{{ range $type := list "Initialized" "ContainersReady" "Ready" }}
- {type: {{ $type }}, status: "True", lastTransitionTime: {{ $now }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", ready: true, started: true,
   restartCount: 0, state: {running: {startedAt: {{ $now }}}}}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", ready: true, restartCount: 0,
   state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now }}, finishedAt: {{ $now }}}}}
{{ end }}
{{ range NodeIPsWith .spec.nodeName }}
hostIP: {{ . | Quote }}
{{ end }}
{{ $meta := .metadata }}
{{ range PodIPsWith .spec.nodeName ( or .spec.hostNetwork false ) $meta.uid $meta.name $meta.namespace }}
podIP: {{ . | Quote }}
podIPs: [{ip: {{ . | Quote }}}]
{{ end }}
"""

_POD_COMPLETE = """
{{ $now := Now | Quote }}
phase: Succeeded
containerStatuses:
{{ range .spec.containers }}
- {name: {{ .name | Quote }}, image: {{ .image | Quote }}, imageID: "", ready: false, started: false,
   restartCount: 0,
   state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now }}, finishedAt: {{ $now }}}}}
{{ end }}
"""


def _stage(name: str, kind: str, matches: list[dict[str, Any]], then: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": matches},
            "next": then,
        },
    }


def configuration(gpu_pods: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return kwok's configuration. Any pod may be exec'ed into; the answer comes from the host's PATH.

    *gpu_pods*: a device plugin's pod → the file with its node's cards, which ``nvidia-smi`` answers from.
    """
    return [
        _stage(
            "node-ready",
            "Node",
            [{"key": _READY, "operator": "NotIn", "values": ["True"]}],
            {"statusTemplate": _NODE_READY},
        ),
        _stage(
            "pod-running",
            "Pod",
            [_NOT_GONE, {"key": ".status.phase", "operator": "In", "values": ["Pending"]}],
            {"statusTemplate": _POD_RUNNING},
        ),
        _stage(
            "pod-complete",
            "Pod",
            [
                _NOT_GONE,
                {"key": ".status.phase", "operator": "In", "values": ["Running"]},
                {"key": ".metadata.ownerReferences.[].kind", "operator": "In", "values": ["Job"]},
            ],
            {"statusTemplate": _POD_COMPLETE},
        ),
        _stage("pod-gone", "Pod", [_GONE], {"delete": True}),
        *(
            _exec(
                pod,
                {
                    "selector": {"matchNamespaces": [device_plugin.NAMESPACE], "matchNames": [pod]},
                    "execs": [{"local": {"envs": [{"name": "SANDBOX_GPUS", "value": str(path)}]}}],
                },
            )
            for pod, path in gpu_pods.items()
        ),
        _exec("any-pod", {"execs": [{"local": {}}]}),  # last: the first that matches answers
    ]


def _exec(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterExec",
        "metadata": {"name": name},
        "spec": spec,
    }
