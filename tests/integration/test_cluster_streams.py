"""Protobuf over real connections: refused, answered by something else, cut short, left unread."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from provisioning.clients.cluster import ClusterClient
from provisioning.configuration import Cluster
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError
from tests.unit.cluster_encodings import encoded_node, list_body

PROTOBUF = "application/vnd.kubernetes.protobuf"
PAGE = json.dumps({"metadata": {}, "items": [{"metadata": {"name": "by-json"}}]}).encode()
WHOLE = list_body("NodeList", [encoded_node({"metadata": {"name": f"by-protobuf-{at}"}}) for at in range(40)])


@dataclass
class Server:
    """Answers protobuf with ``status`` and ``body``, of which it sends ``sent`` bytes; JSON with one page."""

    status: int = 200
    body: bytes = WHOLE
    sent: int | None = None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Server, ClusterClient]]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            accept = self.headers["Accept"]
            state.asked.append(accept)
            status, body = (state.status, state.body) if accept == PROTOBUF else (200, PAGE)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            short = state.sent is not None and accept == PROTOBUF
            self.wfile.write(body[: state.sent] if short else body)
            self.close_connection = short

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "clusters": [{"name": "x", "cluster": {"server": f"http://127.0.0.1:{http.server_port}"}}],
                "users": [{"name": "x", "user": {"token": "t"}}],
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            }
        )
    )
    yield state, ClusterClient(Cluster(kubeconfig=kubeconfig))
    http.shutdown()
    thread.join()
    http.server_close()


def test_the_whole_list_comes_in_one_answer(server: tuple[Server, ClusterClient]) -> None:
    state, cluster = server
    assert [node.name for node in cluster.nodes()] == [f"by-protobuf-{at}" for at in range(40)]
    assert state.asked == [PROTOBUF]


@pytest.mark.parametrize(("status", "body"), [(406, b"only JSON here"), (200, PAGE), (200, b"<html>log in</html>")])
def test_who_speaks_no_protobuf_is_asked_for_json(
    server: tuple[Server, ClusterClient], status: int, body: bytes
) -> None:
    """And asked again the next time: a proxy may have been changed."""
    state, cluster = server
    state.status, state.body = status, body
    assert [node.name for node in cluster.nodes()] == ["by-json"]
    assert state.asked == [PROTOBUF, "application/json"]
    state.status, state.body = 200, WHOLE
    assert len(cluster.nodes()) == 40


@pytest.mark.parametrize("sent", [0, 3, 200, len(WHOLE) - 1])
def test_a_connection_that_is_cut_is_a_fault_to_retry(server: tuple[Server, ClusterClient], sent: int) -> None:
    state, cluster = server
    state.sent = sent
    with pytest.raises(UnreachableError, match="listing nodes"):
        cluster.nodes()


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, b'{"message": "no"}', PermanentError),
        (503, b"busy", TemporaryError),
        (200, list_body("PodList", ()), TemporaryError),
        (200, WHOLE[:-30], TemporaryError),
    ],
)
def test_other_answers_are_told_as_what_they_are(
    server: tuple[Server, ClusterClient], status: int, body: bytes, error: type[ChatopsError]
) -> None:
    """None of them is taken for a server that speaks no protobuf, and the next list is read all the same."""
    state, cluster = server
    state.status, state.body = status, body
    with pytest.raises(error):
        cluster.nodes()
    assert state.asked == [PROTOBUF]
    state.status, state.body = 200, WHOLE
    assert len(cluster.nodes()) == 40
