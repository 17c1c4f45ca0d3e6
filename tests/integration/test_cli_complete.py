"""The shell's completion, as bash asks for it: words of the catalog, flags, and names out of the store."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from commands.completion import offers
from provisioning.store_names import names_in
from tests.integration.store_samples import open_store
from tests.integration.test_cli_evidence import SETTINGS
from tests.unit.job_samples import job


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tenants and a job."""
    folder = tmp_path_factory.mktemp("data")
    store = open_store(folder)
    with store.writing() as transaction:
        for name in ("acme", "globex"):
            transaction.db.table("tenants").insert({"name": name, "body": "{}"})
        made = job()
        transaction.db.table("jobs").insert(
            {
                "number": made.number,
                "id": made.id,
                "state": made.state.value,
                "subject": "acme",
                "requester": "U1",
                "updated_at": "2026-01-01",
                "body": made.model_dump_json(),
            }
        )
        transaction.db.table("digests").insert({"name": "morning", "body": "{}", "cursor": ""})
        transaction.db.table("delegations").insert(
            {"lender": "U2", "lender_name": "dana", "holder": "U3", "until": "2026-01-01", "made_at": "2026-01-01"}
        )
    store.close()
    return folder


@pytest.fixture(scope="module")
def cluster(data_dir: Path) -> dict[str, str]:
    """Settings, and a kubectl that knows two nodes with GPUs, or never answers."""
    answers, hangs = data_dir / "kubectl", data_dir / "kubectl-that-hangs"
    version = '{"clientVersion": {"gitVersion": "v1.37.1"}}'
    says = f"""#!/bin/sh
case "$*" in
*version*) echo '{version}';;
*get*nodes*--selector=nvidia.com/gpu.count*) printf 'node/gpu-1\\nnode/gpu-2\\n';;
esac
"""
    answers.write_text(says)
    hangs.write_text(says.replace("printf 'node/gpu-1\\nnode/gpu-2\\n'", "exec sleep 60"))
    for binary in (answers, hangs):
        binary.chmod(0o755)
    settings = {f"CLEARML_CHATOPS_{name}": value for name, value in SETTINGS.items()}
    return settings | {"CLEARML_CHATOPS_TOOLS__KUBECTL": str(answers)}


def completed(line: str, data_dir: Path, more: Mapping[str, str] | None = None) -> list[str]:
    """Return what bash offers at the end of *line*, with *more* in its environment. Nothing else may be said."""
    words = line.split(" ")
    environment = os.environ | {
        "_CLEARML_CHATOPS_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "CLEARML_CHATOPS_DATA_DIR": str(data_dir),
        **(more or {}),
    }
    program = str(Path(sys.executable).parent / "clearml-chatops")
    told = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert told.stderr == ""
    return told.stdout.split()


@pytest.mark.parametrize(
    ("line", "some"),
    [
        ("clearml-chatops ten", {"tenant"}),
        ("clearml-chatops tenant ", {"create", "list", "user", "domains"}),
        ("clearml-chatops tenant show ", {"acme", "globex"}),
        ("clearml-chatops approve ", {"41"}),
        ("clearml-chatops audit list g", {"globex"}),
        ("clearml-chatops platform install --g", {"--generate-secrets"}),
        ("clearml-chatops platform install c", {"cdmo"}),
        ("clearml-chatops digest pause ", {"morning"}),
        ("clearml-chatops approval recall ", {"U1", "U3"}),
    ],
)
def test_bash_is_offered_what_may_come_next(line: str, some: set[str], data_dir: Path) -> None:
    """By the program as it is installed."""
    assert some <= set(completed(line, data_dir))


@pytest.mark.parametrize("line", ["node mig enable ", "node mig status gpu-1 ", "node reboot ", "capacity --node "])
def test_nodes_are_those_that_the_cluster_has(line: str, data_dir: Path, cluster: dict[str, str]) -> None:
    """Asked through kubectl; one that was named is not offered again."""
    names = {"gpu-1", "gpu-2"} - set(line.split())
    assert set(completed(f"clearml-chatops {line}", data_dir, cluster)) >= names
    assert "gpu-1" not in set(completed("clearml-chatops node mig status gpu-1 ", data_dir, cluster))


@pytest.mark.parametrize("why", ["no settings", "no kubectl", "no answer"])
def test_where_the_cluster_cannot_be_asked_nothing_is_offered(
    why: str, data_dir: Path, cluster: dict[str, str]
) -> None:
    """In silence, and within seconds."""
    wrong = {
        "no settings": {},
        "no kubectl": cluster | {"CLEARML_CHATOPS_TOOLS__KUBECTL": "/nonexistent"},
        "no answer": cluster | {"CLEARML_CHATOPS_TOOLS__KUBECTL": str(data_dir / "kubectl-that-hangs")},
    }[why]
    assert completed("clearml-chatops node reboot ", data_dir, wrong) == []


NAMES = {
    "nodes": ["gpu-1", "gpu-2"],
    "digests": ["morning"],
    "tenants": ["acme", "globex"],
    "jobs": ["41", "40"],
    "profiles": ["1g.10gb"],
}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tenant user", ["add", "remove", "role"]),
        ("tenant user add", ["acme", "globex"]),
        ("tenant export acme", ["globex"]),
        ("tenant show acme", []),
        ("job show", ["41", "40"]),
        ("capacity --tenant", ["acme", "globex"]),
        ("capacity --export", ["csv", "json"]),
        ("capacity --profile", ["1g.10gb"]),
        ("capacity --node", ["gpu-1", "gpu-2"]),
        ("capacity --node gpu-1", []),
        ("node mig enable gpu-1", ["gpu-2"]),
        ("digest remove", ["morning"]),
        ("digest add", []),
        ("tenant nonsense", []),
    ],
)
def test_the_next_word_is_known_from_the_ones_before_it(line: str, expected: list[str]) -> None:
    """Verbs, then names where names stand, then what a flag takes."""
    assert [one.value for one in offers(line.split(), "", lambda kind: NAMES.get(kind, []))] == expected


def test_flags_are_offered_once_and_only_those_that_there_are() -> None:
    """Both words of a switch; what every plan takes; --json."""
    words = ["tenant", "create", "acme", "--admin-email", "ana@acme.example", "--ports"]
    found = [one.value for one in offers(words, "--", lambda _: [])]
    assert {"--domain", "--no-ports", "--dry-run", "--reason", "--break-glass", "--json"} <= set(found)
    assert "--admin-email" not in found
    assert "--ports" not in found
    assert all(one.help for one in offers(words, "--", lambda _: []))


def test_a_store_that_cannot_be_read_offers_nothing(tmp_path: Path) -> None:
    """No file, a file that is none, an unknown kind: no error in the midst of a line."""
    (tmp_path / "chatops.db").write_text("no database")
    assert names_in(tmp_path / "none.db", "tenants") == []
    assert names_in(tmp_path / "chatops.db", "tenants") == []
    assert names_in(tmp_path / "chatops.db", "secrets") == []
