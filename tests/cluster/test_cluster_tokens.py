"""Tokens of a real cluster's service accounts: as pods get them, checked with the keys that its API server shows."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.oidc.issuers import Issuer, Oidc
from bot.oidc.tokens import Proof, proof_of
from provisioning import tools
from provisioning.configuration import Tools
from provisioning.errors import PermanentError, UnreachableError
from sandbox.controlplane.cluster import ControlPlane

pytestmark = pytest.mark.cluster
AUDIENCE = "clearml-chatops"


@pytest.fixture
def kubectl(kubeconfig: Path) -> list[str]:
    return [str(tools.locate(Tools()).kubectl), "--kubeconfig", str(kubeconfig)]


def said(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout.strip()


def proven(token: str, **more: object) -> Proof:
    issuer = Issuer.model_validate({"url": "https://kubernetes.default.svc", "audience": AUDIENCE, **more})
    return proof_of(token, Oidc(issuers={"cluster": issuer}), now=datetime.now(UTC))


def test_a_service_account_is_who_its_token_says(
    control_plane: ControlPlane, kubectl: list[str], namespace: str, tmp_path: Path
) -> None:
    """As docs/ci-jobs.md tells: keys over the cluster's own CA, shown to a service account; or out of a file."""
    said(*kubectl, "-n", namespace, "create", "serviceaccount", "deployer")
    create = [*kubectl, "-n", namespace, "create", "token", "deployer"]
    token, usual = said(*create, "--audience", AUDIENCE), said(*create)
    bearer, ca, jwks = tmp_path / "token", control_plane.kubeconfig.parent / "ca.crt", tmp_path / "jwks.json"
    bearer.write_text(usual)
    jwks.write_text(said(*kubectl, "get", "--raw", "/openid/v1/jwks"))
    url = json.loads(said(*kubectl, "config", "view", "-o", "json"))["clusters"][0]["cluster"]["server"]
    shown = {"jwks_url": f"{url}/openid/v1/jwks", "ca_file": ca}

    by_network = proven(token, **shown, bearer_file=bearer)
    assert by_network.actor_id == f"oidc:cluster:system:serviceaccount:{namespace}:deployer"
    assert proven(token, jwks_file=jwks) == by_network
    with pytest.raises(PermanentError, match="alone"):
        proven(usual, jwks_file=jwks)  # the token that every pod has
    with pytest.raises(PermanentError, match=r"answered 40[13]"):
        proven(token, **shown)
    with pytest.raises(UnreachableError, match="cannot be reached"):  # nobody vouches for that host
        proven(token, jwks_url=shown["jwks_url"], bearer_file=bearer)
