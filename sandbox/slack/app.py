"""The stand-in as one ASGI application: Web API, Socket Mode, the people's API and the page."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route, WebSocketRoute

from sandbox.slack.control import Action, Control, Data
from sandbox.slack.guard import Guard
from sandbox.slack.manifest import load_manifest
from sandbox.slack.web_api import WebApi
from sandbox.slack.workspace import Workspace

__all__ = ["create_app", "load_manifest"]

_PAGE = Path(__file__).parent / "page"
_FILES = {path.name: path for path in _PAGE.iterdir() if path.suffix in {".js", ".css", ".svg"}}


def create_app(
    workspace: Workspace,
    drawer: Mapping[str, Data] | None = None,
    actions: Mapping[str, Action] | None = None,
    *,
    token: str | None = None,
) -> Starlette:
    """Return the application for *workspace*.

    Args:
        drawer: tab (audit, releases, clearml, clock, faults) → a function that returns its JSON. A list of
            objects becomes a table, newest last; an object becomes lines and, where a value is a list of
            objects, tables under their key. The key ``actions`` holds buttons:
            ``{"name": …, "label": …, "input": {…}, "danger": bool}``.
        actions: name → what such a button does; it gets the button's ``input``.
        token: what requests to /sandbox/ must carry in ``X-Sandbox-Token``; made up where it is None.
    """
    token = token or secrets.token_urlsafe(24)
    control = Control(workspace, drawer or {}, actions or {})
    index = (_PAGE / "index.html").read_text(encoding="utf-8").replace("{{token}}", token)

    async def page(_request: Request) -> Response:
        return HTMLResponse(index)

    async def static(request: Request) -> Response:
        path = _FILES.get(request.path_params["name"])
        return FileResponse(path) if path else Response(status_code=404)

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/page/{name}", static),
            WebSocketRoute("/link/", workspace.sockets.serve),
            *WebApi(workspace).routes(),
            *control.routes(),
        ],
        middleware=[Middleware(Guard, workspace=workspace, token=token)],
    )
    app.state.token = token
    app.state.close = control.close
    return app
