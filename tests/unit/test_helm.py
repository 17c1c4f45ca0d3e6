"""How helm is called: argument lists without secrets, values by stdin, flags of the version at hand."""

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from provisioning.clients import process_table
from provisioning.clients.helm import Helm
from provisioning.clients.process import ChildProcesses
from provisioning.configuration import Chart
from provisioning.errors import PermanentError, TemporaryError

# Writes down how it was called, then answers as told by the file beside it: first word of the arguments → answer.
FAKE = """#!{python}
import json, os, sys, time
from pathlib import Path
here = Path({here!r})
stdin = sys.stdin.read()
files = {{}}
for argument in sys.argv[1:]:
    path = Path(argument.partition("=")[2])
    if argument.startswith(("--repository-config=", "--registry-config=")) and path.exists():
        files[path.name] = [oct(path.stat().st_mode & 0o777), path.read_text()]
    if argument.startswith("--destination="):
        (path / "chart-1.0.0.tgz").write_text("chart")
    if argument.startswith("--repository-cache="):
        path.mkdir(exist_ok=True); (path / "source-index.yaml").write_text("")
call = {{"argv": sys.argv[1:], "stdin": stdin, "env": dict(os.environ), "files": files}}
with (here / "calls").open("a") as file:
    file.write(json.dumps(call) + "\\n")
answer = json.loads((here / "answers").read_text()).get(sys.argv[1], {{}})
print(answer.get("out", ""), end="")
print(answer.get("err", ""), end="", file=sys.stderr)
sys.exit(answer.get("code", 0))
"""

RELEASE = {
    "name": "clearml-agent",
    "namespace": "acme",
    "revision": "2",
    "status": "deployed",
    "chart": "agent-1.0.0",
    "app_version": "1",
}


class FakeHelm:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.binary = folder / "helm"
        self.binary.write_text(FAKE.format(python=sys.executable, here=str(folder)))
        self.binary.chmod(0o755)
        self.answers: dict[str, Any] = {"version": {"out": "v4.3.1"}, "list": {"out": json.dumps([RELEASE])}}
        self.save()

    def save(self, **answers: Any) -> None:
        self.answers |= answers
        (self._folder / "answers").write_text(json.dumps(self.answers))

    def calls(self, verb: str) -> list[dict[str, Any]]:
        lines = (self._folder / "calls").read_text().splitlines() if (self._folder / "calls").exists() else []
        return [call for call in map(json.loads, lines) if call["argv"][0] == verb]


@pytest.fixture
def fake(tmp_path: Path) -> FakeHelm:
    return FakeHelm(tmp_path)


@pytest.fixture
def chart(tmp_path: Path) -> Chart:
    (tmp_path / "agent").mkdir()
    return Chart(reference=str(tmp_path / "agent"))


def _helm(fake: FakeHelm, tmp_path: Path) -> Helm:
    return Helm(
        fake.binary,
        ChildProcesses(tmp_path / "children"),
        kubeconfig=Path("/etc/kube/config"),
        context="production",
        home=tmp_path / "home",
    )


@pytest.mark.parametrize(("version", "flag"), [("v4.3.1", "--rollback-on-failure"), ("v3.14.0+g1", "--atomic")])
def test_an_install_waits_and_rolls_back_in_the_words_of_its_version(
    fake: FakeHelm, tmp_path: Path, chart: Chart, version: str, flag: str
) -> None:
    """helm 4 renamed --atomic; both wait, install where nothing is, and name the cluster."""
    fake.save(version={"out": version})
    release = _helm(fake, tmp_path).upgrade_install("acme", "clearml-agent", chart, {"a": 1}, timeout_s=90)
    argv = fake.calls("upgrade")[0]["argv"]
    assert argv[:3] == ["upgrade", "clearml-agent", chart.reference]
    assert {flag, "--install", "--wait", "--timeout=90s", "--values=-", "--reset-values"} <= set(argv)
    assert {"--kubeconfig=/etc/kube/config", "--kube-context=production"} <= set(argv)
    assert ("--all" in fake.calls("list")[0]["argv"]) == version.startswith("v3")
    assert (release.revision, release.status, release.chart_version) == (2, "deployed", "1.0.0")


def test_values_go_through_stdin_alone(fake: FakeHelm, tmp_path: Path, chart: Chart) -> None:
    """No argument and no variable of helm holds a value; stdin holds all of them, secrets in the clear."""
    values = {"clearml": {"agentk8sglueSecret": SecretStr("s3cret-one")}, "n": 1, "password": "s3cret-two"}
    _helm(fake, tmp_path).upgrade_install("acme", "clearml-agent", chart, values, timeout_s=9)
    call = fake.calls("upgrade")[0]
    assert json.loads(call["stdin"]) == {
        "clearml": {"agentk8sglueSecret": "s3cret-one"},
        "n": 1,
        "password": "s3cret-two",
    }
    assert "s3cret" not in json.dumps([call["argv"], call["env"]])


def test_helms_home_is_ours(fake: FakeHelm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's helm configuration, plugins and variables change nothing."""
    monkeypatch.setenv("HELM_DEBUG", "true")
    monkeypatch.setenv("HELM_NAMESPACE", "elsewhere")
    _helm(fake, tmp_path).releases()
    env = fake.calls("list")[0]["env"]
    assert {name for name in env if name.startswith("HELM_")} == {
        "HELM_CACHE_HOME",
        "HELM_CONFIG_HOME",
        "HELM_DATA_HOME",
    }
    assert env["HELM_CONFIG_HOME"] == str(tmp_path / "home" / "config")


def test_errors_do_not_quote_values(fake: FakeHelm, tmp_path: Path, chart: Chart) -> None:
    """Where helm quotes a value, the operator sees a placeholder."""
    fake.save(upgrade={"code": 1, "err": 'Error: cannot use "s3cret-two" here'})
    with pytest.raises(PermanentError) as caught:
        _helm(fake, tmp_path).upgrade_install("acme", "clearml-agent", chart, {"password": "s3cret-two"}, timeout_s=9)
    assert "s3cret" not in f"{caught.value} {caught.value.details}"
    assert "•••" in caught.value.details


@pytest.mark.parametrize(
    ("namespace", "name"),
    [
        ("--help", "agent"),
        ("acme", "--post-renderer=x"),
        ("Acme", "agent"),
        ("a" * 64, "a"),
        ("acme", "a" * 54),
        ("", "a"),
    ],
)
def test_names_cannot_be_flags(fake: FakeHelm, tmp_path: Path, chart: Chart, namespace: str, name: str) -> None:
    """A name that is not one stops before helm is started."""
    helm = _helm(fake, tmp_path)
    for call in (
        lambda: helm.upgrade_install(namespace, name, chart, {}, timeout_s=9),
        lambda: helm.uninstall(namespace, name, timeout_s=9),
        lambda: helm.values(namespace, name),
        lambda: helm.recover(namespace, name),
        lambda: helm.template(namespace, name, chart, {}),
    ):
        with pytest.raises(PermanentError, match="is no"):
            call()
    assert {call["argv"][0] for verb in ("upgrade", "uninstall", "get", "list") for call in fake.calls(verb)} == set()


@pytest.mark.parametrize(
    "chart",
    [
        Chart(reference="--post-renderer=/bin/sh", version="1.0.0"),
        Chart(reference="-x", repo="https://charts.example", version="1.0.0"),
        Chart(reference="alias/agent", version="1.0.0"),
        Chart(reference="agent", repo="--ca-file=x", version="1.0.0"),
        Chart(reference="agent", repo="https://charts.example", version="--devel"),
        Chart(reference="agent", repo="https://charts.example", version=">=1"),
        Chart(reference="agent", repo="https://charts.example"),
        Chart(reference="oci://host/a b", version="1.0.0"),
        Chart(reference="oci://host/a"),
        Chart(reference="oci://host/a@sha256:abc", version="1.0.0"),
        Chart(reference=f"oci://host/a@sha256:{'a' * 64}"),
        Chart(reference=f"a@sha256:{'a' * 64}", repo="https://charts.example", version="1.0.0"),
        Chart(reference="/nonexistent/agent.tgz"),
    ],
    ids=str,
)
def test_chart_references_cannot_be_flags_or_ranges(fake: FakeHelm, tmp_path: Path, chart: Chart) -> None:
    """A reference that is none, or that leaves the version open, is refused with what to do."""
    with pytest.raises(PermanentError) as caught:
        _helm(fake, tmp_path).show_values(chart)
    assert caught.value.next_action
    assert fake.calls("show") == fake.calls("pull") == []


def test_repository_credentials_stand_in_a_private_file(fake: FakeHelm, tmp_path: Path) -> None:
    """User and password of a classic repository are in a 0600 file that is gone afterwards, never in argv."""
    chart = Chart(
        reference="vendor/agent",
        repo="https://charts.example/x",
        version="1.0.0",
        username="tok",
        password=SecretStr("pw-123456"),
    )
    helm = _helm(fake, tmp_path)
    helm.show_values(chart)
    pull = fake.calls("pull")[0]
    assert pull["argv"][1] == "source/agent"
    assert "pw-123456" not in json.dumps([pull["argv"], pull["env"], fake.calls("repo")[0]["argv"]])
    mode, text = pull["files"]["repositories.yaml"]
    assert mode == "0o600"
    entry = json.loads(text)["repositories"][0]
    assert (entry["url"], entry["username"], entry["password"]) == ("https://charts.example/x", "tok", "pw-123456")
    assert entry["pass_credentials_all"] is False
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file() and "pw-123456" in path.read_text()]
    helm.show_chart(chart)
    assert len(fake.calls("pull")) == 1, "an exact version is fetched once"
    assert stat.S_IMODE((tmp_path / "home" / "charts").stat().st_mode) == 0o700


def test_registry_credentials_stand_in_a_private_file(fake: FakeHelm, tmp_path: Path) -> None:
    """The same for an OCI registry, for its host alone."""
    chart = Chart(
        reference="oci://registry.example:5000/x/agent", version="1.0.0", username="u", password=SecretStr("pw-123456")
    )
    _helm(fake, tmp_path).show_values(chart)
    pull = fake.calls("pull")[0]
    assert pull["argv"][1:3] == ["oci://registry.example:5000/x/agent", "--version=1.0.0"]
    mode, text = pull["files"]["registry.json"]
    assert mode == "0o600"
    assert json.loads(text) == {"auths": {"registry.example:5000": {"auth": "dTpwdy0xMjM0NTY="}}}
    assert "pw-123456" not in json.dumps([pull["argv"], pull["env"]])
    assert "dTpwdy0x" not in json.dumps([pull["argv"], pull["env"]])


@pytest.mark.parametrize(
    ("reference", "plainly"),
    [
        ("oci://127.0.0.1:5000/charts/agent", True),
        ("oci://localhost/charts/agent", True),
        ("oci://127.0.0.1.example.com/charts/agent", False),
        ("oci://localhost.example.com:5000/charts/agent", False),
        ("oci://10.0.0.1:5000/charts/agent", False),
    ],
)
def test_only_this_machines_registries_are_asked_without_tls(
    fake: FakeHelm, tmp_path: Path, reference: str, plainly: bool
) -> None:
    """A password goes to other machines by TLS alone."""
    _helm(fake, tmp_path).show_values(Chart(reference=reference, version="1.0.0"))
    assert ("--plain-http" in fake.calls("pull")[0]["argv"]) is plainly


def test_a_failed_fetch_leaves_nothing_behind(fake: FakeHelm, tmp_path: Path) -> None:
    """A download that fails is no chart: the next call fetches again."""
    chart = Chart(reference="oci://registry.example/agent", version="1.0.0")
    fake.save(pull={"code": 1, "err": "Error: dial tcp: connect: connection refused"})
    helm = _helm(fake, tmp_path)
    with pytest.raises(TemporaryError):
        helm.show_values(chart)
    assert list((tmp_path / "home" / "charts").iterdir()) == []
    fake.save(pull={})
    assert helm.show_values(chart) == {}


def test_listing_goes_on_page_after_page(fake: FakeHelm, tmp_path: Path) -> None:
    """A cluster with more releases than helm's page shows all of them."""
    fake.binary.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"release = {RELEASE!r}\n"
        "if sys.argv[1] == 'version': print('v4.3.1'); sys.exit()\n"
        "offset = next(int(a.split('=')[1]) for a in sys.argv if a.startswith('--offset='))\n"
        "print(json.dumps([release] * max(0, min(256, 600 - offset))))\n"
    )
    assert len(_helm(fake, tmp_path).releases()) == 600


@pytest.mark.parametrize("status", ["deployed", "failed", "superseded", "uninstalled"])
def test_nothing_is_recovered_where_nothing_is_pending(fake: FakeHelm, tmp_path: Path, status: str) -> None:
    """A release at rest is left alone."""
    fake.save(list={"out": json.dumps([RELEASE | {"status": status}])})
    assert _helm(fake, tmp_path).recover("acme", "clearml-agent") is None
    assert fake.calls("rollback") == fake.calls("uninstall") == []


@pytest.mark.parametrize(
    ("status", "history", "verb", "argument"),
    [
        ("pending-upgrade", [(1, "superseded"), (2, "deployed"), (3, "pending-upgrade")], "rollback", "2"),
        ("pending-rollback", [(1, "superseded"), (4, "superseded"), (5, "pending-rollback")], "rollback", "4"),
        ("pending-install", [(1, "pending-install")], "uninstall", "--ignore-not-found"),
        ("pending-upgrade", [(1, "failed"), (2, "pending-upgrade")], "uninstall", "--ignore-not-found"),
        ("uninstalling", [(1, "uninstalling")], "uninstall", "--ignore-not-found"),
    ],
)
def test_a_pending_release_is_made_usable(
    fake: FakeHelm, tmp_path: Path, status: str, history: list[tuple[int, str]], verb: str, argument: str
) -> None:
    """Back to the last good revision where there is one, else removed."""
    revisions = [{"revision": number, "status": state} for number, state in history]
    fake.save(list={"out": json.dumps([RELEASE | {"status": status}])}, history={"out": json.dumps(revisions)})
    said = _helm(fake, tmp_path).recover("acme", "clearml-agent")
    assert said is not None
    assert status in said
    assert fake.calls(verb)[0]["argv"][:3] == [verb, "clearml-agent", argument]
    assert fake.calls("uninstall" if verb == "rollback" else "rollback") == []


def test_a_release_that_our_helm_works_on_is_not_recovered(fake: FakeHelm, tmp_path: Path) -> None:
    """While a helm of ours is alive on the release, recover refuses and names it."""
    fake.save(list={"out": json.dumps([RELEASE | {"status": "pending-upgrade"}])})
    helm = _helm(fake, tmp_path)
    refusals: list[TemporaryError] = []

    children = ChildProcesses(tmp_path / "children")

    def look() -> bool:
        if children.owners("helm release acme/clearml-agent"):
            with pytest.raises(TemporaryError) as caught:
                helm.recover("acme", "clearml-agent")
            refusals.append(caught.value)
        return bool(refusals)

    code = "import time; time.sleep(20)"
    with pytest.raises(PermanentError, match="cancelled"):
        children.run(
            [sys.executable, "-c", code], timeout_s=20, cancelled=look, subject="helm release acme/clearml-agent"
        )
    assert "helm is at work on acme/clearml-agent (pid " in str(refusals[0])
    assert ", of this bot)" in str(refusals[0])
    assert fake.calls("rollback") == []


OTHER_BOT = """
import sys
from pathlib import Path
from provisioning.clients.process import ChildProcesses
code = "import os, sys, time; print(os.getpid()); sys.stdout.flush(); open(sys.argv[1], 'w').close(); time.sleep(60)"
children = ChildProcesses(Path(sys.argv[1]))
children.run([sys.executable, "-c", code, sys.argv[2]], timeout_s=60, subject="helm release acme/clearml-agent")
"""
PENDING = {"out": json.dumps([RELEASE | {"status": "pending-upgrade"}])}
HISTORY = {"out": json.dumps([{"revision": 1, "status": "deployed"}, {"revision": 2, "status": "pending-upgrade"}])}


def test_a_release_that_another_bots_helm_works_on_is_not_recovered(fake: FakeHelm, tmp_path: Path) -> None:
    """Nor where that bot was killed and its helm lives on: the owner is named. Once helm is gone, it is recovered."""
    fake.save(list=PENDING, history=HISTORY)
    started = tmp_path / "started"
    bot = subprocess.Popen([sys.executable, "-c", OTHER_BOT, tmp_path / "children", started])
    helm = _helm(fake, tmp_path)
    try:
        deadline = time.monotonic() + 30
        while not (started.exists() and list((tmp_path / "children").glob("*.json"))):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        (record,) = (tmp_path / "children").glob("*.json")
        says = rf"at work on acme/clearml-agent \(pid {record.stem}, of the bot with pid {bot.pid}\)"
        with pytest.raises(TemporaryError, match=says):
            helm.recover("acme", "clearml-agent")
        bot.kill()
        bot.wait()
        with pytest.raises(TemporaryError, match=says):
            helm.recover("acme", "clearml-agent")
        assert fake.calls("rollback") == []
    finally:
        bot.kill()
        bot.wait()
        ChildProcesses(tmp_path / "children").reap_orphans()
    said = helm.recover("acme", "clearml-agent")
    assert said == "acme/clearml-agent was left pending-upgrade: rolled back to revision 1"


def test_a_recycled_pid_owns_no_release(fake: FakeHelm, tmp_path: Path) -> None:
    """A living process of the recorded pid that started at another time is a stranger: the release is recovered."""
    fake.save(list=PENDING, history=HISTORY)
    record = {
        "pid": os.getpid(),
        "started": "1@an-earlier-boot",
        "subject": "helm release acme/clearml-agent",
        "owner": os.getpid(),
        "owner_started": process_table.start_time(os.getpid()),
    }
    (tmp_path / "children").mkdir()
    path = tmp_path / "children" / f"{os.getpid()}.json"
    path.write_text(json.dumps(record))
    assert _helm(fake, tmp_path).recover("acme", "clearml-agent") is not None
    path.write_text(json.dumps(record | {"started": process_table.start_time(os.getpid())}))
    with pytest.raises(TemporaryError, match="is at work on acme/clearml-agent"):
        _helm(fake, tmp_path).recover("acme", "clearml-agent")
    assert len(fake.calls("rollback")) == 1


@pytest.mark.parametrize(
    ("version", "knows"),
    [("v3.14.0", False), ("v3.16.9+g1", False), ("v3.17.0+g1", True), ("v3.20.1", True), ("v4.0.0", True)],
)
def test_a_helm_that_pulls_nothing_by_its_digest_is_not_asked_to(
    fake: FakeHelm, tmp_path: Path, version: str, knows: bool
) -> None:
    """Before 3.17 it puts the version behind the digest, and the registry's answer would tell nobody why."""
    fake.save(version={"out": version}, pull={"code": 1, "err": "Error: no registry here"})
    chart = Chart(reference=f"oci://r.example/charts/redis@sha256:{'a' * 64}", version="17.8.3")
    with pytest.raises(PermanentError) as caught:
        _helm(fake, tmp_path).show_chart(chart)
    assert bool(fake.calls("pull")) is knows
    if not knows:
        number = ".".join(version.removeprefix("v").split(".")[:2])
        assert f"is helm {number}, and charts are pulled by their digest from 3.17 on" in caught.value.what
        assert "leave the digest out" in caught.value.next_action


def test_what_says_no_version_is_no_helm(fake: FakeHelm, tmp_path: Path) -> None:
    fake.save(version={"out": "latest, of course"})
    with pytest.raises(PermanentError, match="says that its version is 'latest, of course'"):
        _helm(fake, tmp_path).releases()
