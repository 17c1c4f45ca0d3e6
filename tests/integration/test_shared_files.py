"""Files that people hand over, read over the real SDK from the stand-in: only what they may see themselves."""

import dataclasses
from collections.abc import Iterator

import httpx
import pytest
from slack_sdk import WebClient

from bot.slack import files
from bot.slack.files import SharedFiles
from commands.file_links import file_id_of, reference_to
from commands.grammar import Invocation, UsageError, parse
from provisioning.errors import PermanentError, TemporaryError
from sandbox.serving import LoopbackServer
from sandbox.slack.app import create_app
from sandbox.slack.manifest import parse_manifest
from sandbox.slack.model import SandboxError
from sandbox.slack.workspace import Workspace
from tests.integration.test_sandbox_slack import MANIFEST, new_workspace

SPECS = "name: acme\nadmin_email: ana@acme.example\n"
OPERATOR, APPROVER, HERE, ELSEWHERE = "U0000001", "U0000002", "C0000001", "C9999999"
READS_FILES = MANIFEST.replace('"files:write", ', '"files:write", "files:read", ')


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    made = new_workspace()
    made.state.manifest = parse_manifest(READS_FILES)
    yield made
    made.stop()


@pytest.fixture
def client(workspace: Workspace) -> Iterator[WebClient]:
    server = LoopbackServer(create_app(workspace))
    url = server.start()
    workspace.state.base_url = url
    yield WebClient(token=workspace.bot_token, base_url=f"{url}/api/")
    server.stop()


def shared(workspace: Workspace, name: str = "tenants.yaml", content: str = SPECS, channel: str = "platform") -> str:
    """Return the id of a file that the operator has shared."""
    found = file_id_of(workspace.upload("operator", channel, name, content))
    assert found is not None
    return found


def refusal(client: WebClient, file_id: str, *, user: str = OPERATOR, channel: str = HERE) -> PermanentError:
    with pytest.raises(PermanentError) as refused:
        SharedFiles(client).read(file_id, user=user, channel=channel)
    return refused.value


def test_a_command_gets_what_its_link_leads_to(workspace: Workspace, client: WebClient) -> None:
    """By whoever may see it: its owner anywhere, everybody where it is shared. The text keeps the link."""
    link = workspace.upload("operator", "platform", "tenants.yaml", SPECS)
    linked = parse(f"tenant apply <{link}> --dry-run")
    assert isinstance(linked, Invocation)
    for user, channel in ((OPERATOR, ELSEWHERE), (APPROVER, HERE)):
        filled = SharedFiles(client).filled(linked, user=user, channel=channel)
        assert isinstance(filled, Invocation)
        assert filled.args.model_dump()["specs"] == SPECS.strip()
        assert (filled.dry_run, filled.text) == (True, linked.text)


def test_a_command_without_a_link_is_left_as_it_is(client: WebClient) -> None:
    """Nothing is asked of Slack."""
    for text in ('tenant apply --specs "name: acme"', "tenant show acme"):
        said = parse(text)
        assert isinstance(said, Invocation)
        assert SharedFiles(client).filled(said, user=OPERATOR, channel=HERE) is said


def test_an_argument_that_the_command_refuses_is_a_usage_error(workspace: Workspace, client: WebClient) -> None:
    """A file may be as long as files are read, and still too long for the command."""
    link = workspace.upload("operator", "platform", "tenants.yaml", "#" * 300_000)
    linked = parse(f"tenant apply {link}")
    assert isinstance(linked, Invocation)
    filled = SharedFiles(client).filled(linked, user=OPERATOR, channel=HERE)
    assert isinstance(filled, UsageError)
    assert "too long" in filled.message


def test_nobody_reads_through_the_bot_what_they_may_not_see(workspace: Workspace, client: WebClient) -> None:
    """The bot sees the operator's own conversation with it; the approver, who has got hold of the link, does not."""
    private = shared(workspace, channel="dm")
    said = refusal(client, private, user=APPROVER)
    assert "neither yours nor shared in this channel" in str(said)
    assert SPECS.strip() not in str(said)
    refusal(client, private, user="", channel="")
    assert SharedFiles(client).read(private, user=OPERATOR, channel=HERE) == SPECS


def test_a_file_that_the_bot_does_not_see_is_not_there(workspace: Workspace, client: WebClient) -> None:
    unseen = shared(workspace)
    channel = workspace.state.channel("platform")
    channel.members = tuple(each for each in channel.members if each != workspace.state.bot_user_id)
    said = refusal(client, unseen)
    assert "file_not_found" in str(said)
    assert "share the file in a channel that the bot is in" in said.next_action
    assert "file_not_found" in str(refusal(client, "F0NOSUCH"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("picture.png", "no text", "it is no text file"), ("tenants.yaml", "x" * (files.MOST_BYTES + 1), "larger than")],
)
def test_what_is_no_small_text_is_not_fetched(
    workspace: Workspace, client: WebClient, name: str, content: str, said: str
) -> None:
    assert said in str(refusal(client, shared(workspace, name, content)))


def test_the_announced_size_is_not_believed(workspace: Workspace, client: WebClient) -> None:
    """The download ends at the limit."""
    grown = shared(workspace)
    workspace.state.files[grown].content = b"x" * (files.MOST_BYTES + 1)
    assert "larger than" in str(refusal(client, grown))
    workspace.state.files[grown].content = b"\xff\xfe"
    assert "not UTF-8" in str(refusal(client, grown))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/files-pri/T1-F1/a", "http://169.254.169.254/latest", "file:///etc/passwd", ""]
)
def test_the_token_goes_to_slacks_files_alone(
    workspace: Workspace, client: WebClient, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """Also where Slack's answer names another address: nothing is asked there."""
    stored = shared(workspace)
    monkeypatch.setattr(
        "sandbox.slack.methods.files.file_json",
        lambda _state, each: {
            "id": each, "name": "a.yaml", "user": OPERATOR, "mode": "hosted", "mimetype": "text/plain", "size": 3,
            "url_private_download": url,
        },
    )  # fmt: skip
    asked: list[str] = []
    monkeypatch.setattr(httpx, "stream", lambda _method, where, **_: asked.append(where))
    assert "does not lie in Slack" in str(refusal(client, stored))
    assert asked == []


def test_a_sign_in_page_is_no_file(workspace: Workspace, client: WebClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack redirects whoever may not have a file: that is not followed, and the scope is named."""
    stored = shared(workspace)
    looked = client.files_info(file=stored)
    monkeypatch.setattr(client, "files_info", lambda **_: looked)
    workspace.state.manifest = parse_manifest(MANIFEST)
    assert "files:read" in refusal(client, stored).next_action


def test_without_the_scope_it_is_named(workspace: Workspace, client: WebClient) -> None:
    """An app installed from an older manifest."""
    stored = shared(workspace)
    workspace.state.manifest = parse_manifest(MANIFEST)
    assert "files:read" in refusal(client, stored).next_action


def test_slack_that_is_away_is_asked_again(
    workspace: Workspace, client: WebClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = shared(workspace)

    def away(*_: object, **__: object) -> object:
        raise httpx.ConnectError("https://files.slack.com/secret")

    monkeypatch.setattr(httpx, "stream", away)
    with pytest.raises(TemporaryError) as failed:
        SharedFiles(client).read(stored, user=OPERATOR, channel=HERE)
    assert "secret" not in str(failed.value)


def test_the_stand_in_is_as_strict_as_slack(workspace: Workspace, client: WebClient) -> None:
    """A file's address wants the token; a form takes the kinds it names, one file, and gives it when submitted."""
    stored = workspace.state.files[shared(workspace)]
    url = str(client.files_info(file=stored.id)["file"]["url_private_download"])
    assert httpx.get(url).status_code == 302
    assert httpx.get(url, headers={"Authorization": f"Bearer {workspace.app_token}"}).status_code == 302
    held = httpx.get(url, headers={"Authorization": f"Bearer {workspace.bot_token}"})
    assert (held.status_code, held.text) == (200, SPECS)
    element = {"type": "file_input", "filetypes": ["yaml"], "max_files": 1}
    person = workspace.state.person("operator")
    given = {"name": "a.yaml", "content": SPECS}
    for wrong in ({"name": "a.exe", "content": "x"}, [given, given], {"name": "a.yaml", "content": ""}, "a.yaml"):
        with pytest.raises(SandboxError):
            workspace._hands.entered(person, element, wrong)
    chosen = workspace._hands.entered(person, element, given)["files"][0]["id"]
    assert "file_not_found" in str(refusal(client, chosen))
    workspace.state.files[chosen] = dataclasses.replace(workspace.state.files[chosen], given=True)
    assert SharedFiles(client).read(chosen, user=OPERATOR, channel="") == SPECS
    assert file_id_of(reference_to(chosen)) == chosen
