"""Starts and stops a real control plane on 127.0.0.1: etcd, kube-apiserver, controllers, scheduler, kwok.

State lies in one folder, ports are free ones, everything is stopped by pid. There is no CNI, DNS or ingress:
NetworkPolicies are stored and validated, not enforced.
"""

import http
import json
import os
import secrets
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sandbox.controlplane import certificates, stages
from sandbox.controlplane.gpus import Gpus
from sandbox.controlplane.nodes import DEFAULT_NODES, FakeNode, manifest
from sandbox.processes import Child, free_ports

SETTLES_S = 30.0  # how long a new server or namespace may refuse what it takes a moment later


class ControlPlaneFailed(Exception):  # noqa: N818 - says what happened to the process that it names
    """A part of the control plane ended or did not become ready; the text holds its last lines."""


class ControlPlane:
    """One control plane in *folder*, from the binaries in *binaries* (see build.ensure)."""

    def __init__(
        self,
        binaries: Path,
        folder: Path,
        *,
        nodes: Sequence[FakeNode] = DEFAULT_NODES,
        api_alone: bool = False,  # no controllers, scheduler or kubelets: objects stay as they are written
        audited_user: str | None = None,
    ) -> None:
        self._binaries = binaries
        self._folder = folder
        self._nodes = nodes
        self._api_alone = api_alone
        self._audited_user = audited_user  # whose requests the API server writes to audit_log
        self.audit_log = folder / "audit.jsonl"
        self._children: list[Child] = []
        self.kubeconfig = folder / "kubeconfig"
        self.gpus = Gpus(folder / "gpus", [node for node in nodes if node.gpus])
        self._token = secrets.token_hex(24)
        self._url = ""
        self.etcd_url = ""  # once started: etcd's own API, for a bench that fills the store

    @property
    def pids(self) -> dict[str, int]:
        return {child.name: child.pid for child in self._children}

    def start(self, progress: Callable[[str], None] = lambda _line: None) -> None:
        """Start all of it and wait until it is ready. Raises: ControlPlaneFailed."""
        began = time.monotonic()
        self._folder.mkdir(parents=True, exist_ok=True)
        certs = certificates.write(self._folder)
        etcd_port, peer_port, api_port, kwok_port = free_ports(4)
        self._url = f"https://127.0.0.1:{api_port}"
        self.etcd_url = f"http://127.0.0.1:{etcd_port}"
        self._write_kubeconfig(certs)
        try:
            self._start_etcd(etcd_port, peer_port)
            self._start_api_server(api_port, etcd_port, certs)
            self._await_ready()
            if not self._api_alone:
                self._start_controllers(certs)
                self._start_kwok(kwok_port, certs)
                for node in self._nodes:
                    self._post("/api/v1/nodes", manifest(node))
                for path, body in self.gpus.objects():
                    self._post(path, body)
        except BaseException:
            self.stop()
            raise
        progress(f"control plane ready in {time.monotonic() - began:.1f} s at {self._url}")

    def create(self, objects: Iterable[Mapping[str, Any]]) -> None:
        """Create namespaces and pods, in order."""
        for one in objects:
            namespace = one["metadata"].get("namespace")
            where = f"/api/v1/namespaces/{namespace}/pods" if namespace else "/api/v1/namespaces"
            self._post(where, one)

    def stop(self) -> None:
        """Stop everything, newest first. Safe to call again."""
        for child in reversed(self._children):
            child.stop(grace_s=3)
        self._children.clear()
        shutil.rmtree(self._folder / "etcd", ignore_errors=True)

    def _run(self, name: str, *flags: str, env: Mapping[str, str] | None = None) -> None:
        log = self._folder / f"{name}.log"
        self._children.append(Child(name, [self._binaries / name, *flags], log=log, env=env))

    def _start_etcd(self, port: int, peer_port: int) -> None:
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
        self._run(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync=true",  # a sandbox's cluster need not survive a power cut
            "--log-level=error",
        )

    def _start_api_server(self, port: int, etcd_port: int, certs: certificates.Certificates) -> None:
        tokens = self._folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(f"{self._token},sandbox-admin,sandbox-admin,system:masters\n")
        self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--endpoint-reconciler-type=none",  # no node reaches a loopback address
            f"--tls-cert-file={certs.serving_cert}",
            f"--tls-private-key-file={certs.serving_key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={certs.token_key}",
            f"--service-account-signing-key-file={certs.token_key}",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            f"--token-auth-file={tokens}",
            "--allow-privileged=true",
            "--profiling=false",
            *self._audit_flags(),
        )

    def _audit_flags(self) -> tuple[str, ...]:
        if self._audited_user is None:
            return ()
        policy = self._folder / "audit-policy.yaml"
        rules = [{"level": "Metadata", "users": [self._audited_user]}, {"level": "None"}]
        head = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"]}
        policy.write_text(yaml.safe_dump({**head, "rules": rules}))
        return (f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}", "--audit-log-mode=blocking")

    def _start_controllers(self, certs: certificates.Certificates) -> None:
        shared = (
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
            "--profiling=false",
        )
        self._run(
            "kube-controller-manager",
            *shared,
            f"--service-account-private-key-file={certs.token_key}",
            f"--root-ca-file={certs.ca}",
            "--controllers=*,-nodeipam,-bootstrap-signer-controller,-token-cleaner-controller",
        )
        self._run("kube-scheduler", *shared)

    def _start_kwok(self, port: int, certs: certificates.Certificates) -> None:
        self.gpus.write()
        configuration = self._folder / "kwok.yaml"
        configuration.write_text(yaml.safe_dump_all(stages.configuration(self.gpus.pods)))
        self._run(
            "kwok",
            f"--kubeconfig={self.kubeconfig}",
            "--manage-all-nodes=false",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            f"--config={configuration}",
            "--node-lease-duration-seconds=40",
            f"--server-address=127.0.0.1:{port}",
            "--node-ip=127.0.0.1",
            f"--node-port={port}",
            f"--tls-cert-file={certs.serving_cert}",
            f"--tls-private-key-file={certs.serving_key}",
            env={**os.environ, "PATH": f"{self.gpus.bin}:{os.environ['PATH']}"},  # what `kubectl exec` runs
        )

    def _write_kubeconfig(self, certs: certificates.Certificates) -> None:
        cluster = {"server": self._url, "certificate-authority": str(certs.ca)}
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "sandbox",
                    "clusters": [{"name": "sandbox", "cluster": cluster}],
                    "users": [{"name": "sandbox-admin", "user": {"token": self._token}}],
                    "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox-admin"}}],
                }
            )
        )

    def _await_ready(self, timeout_s: float = 90) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for child in self._children:
                if child.returncode is not None:
                    raise ControlPlaneFailed(f"{child.name} ended with {child.returncode}:\n{child.last_lines()}")
            try:
                self._call("GET", "/readyz")
            except OSError:  # refused or not ready yet: urllib's errors are OSErrors
                time.sleep(0.1)
            else:
                return
        last = self._children[-1].last_lines()
        raise ControlPlaneFailed(f"kube-apiserver was not ready after {timeout_s:.0f} s:\n{last}")

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        """Create an object. What has only just started may answer with a conflict, and a namespace that is new has not
        yet the account that its pods run as: it is asked again."""
        deadline = time.monotonic() + SETTLES_S
        while True:
            try:
                self._call("POST", path, body)
            except urllib.error.HTTPError as error:
                answer = json.loads(error.read() or b"{}")
                if error.code == http.HTTPStatus.CONFLICT and answer.get("reason") == "AlreadyExists":
                    return
                said = str(answer.get("message", ""))
                passes = error.code == http.HTTPStatus.CONFLICT or "error looking up service account" in said
                if not passes or time.monotonic() > deadline:
                    raise ControlPlaneFailed(f"creating {path}: {error.code} {said}") from error
                time.sleep(0.2)
            else:
                return

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        request = urllib.request.Request(  # noqa: S310 - the address is ours
            f"{self._url}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
        )
        context = ssl.create_default_context(cafile=self._folder / "ca.crt")
        with urllib.request.urlopen(request, timeout=5, context=context):  # noqa: S310
            pass
