"""The shell's completion, as bash asks for it: words of the catalog, flags, and names out of the store."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from commands.completion import offers
from provisioning.store_names import names_in
from tests.integration.store_samples import open_store
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
    store.close()
    return folder


def completed(line: str, data_dir: Path) -> list[str]:
    """Return what bash offers at the end of *line*."""
    words = line.split(" ")
    environment = os.environ | {
        "_CLEARML_CHATOPS_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "CLEARML_CHATOPS_DATA_DIR": str(data_dir),
    }
    program = str(Path(sys.executable).parent / "clearml-chatops")
    told = subprocess.run([program], env=environment, capture_output=True, text=True, timeout=60, check=False)
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
    ],
)
def test_bash_is_offered_what_may_come_next(line: str, some: set[str], data_dir: Path) -> None:
    """By the program as it is installed."""
    assert some <= set(completed(line, data_dir))


NAMES = {"tenants": ["acme", "globex"], "jobs": ["41", "40"], "profiles": ["1g.10gb"]}


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
        ("capacity --node gpu-1", []),
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
