"""The page's and the scenario's side over HTTP: /sandbox/… as JSON. Every call carries the run's token."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.slack.delivery import DeliveryError
from sandbox.slack.model import JSON, SandboxError
from sandbox.slack.workspace import Workspace

MAX_POLL_S = 25.0
Data = Callable[[], Any]
Action = Callable[[dict[str, Any]], Any]


class Control:
    """Routes under /sandbox/. *drawer*: tab → its data; *actions*: name → what a drawer's button does."""

    def __init__(self, workspace: Workspace, drawer: Mapping[str, Data], actions: Mapping[str, Action]) -> None:
        self._workspace = workspace
        self._drawer = drawer
        self._actions = actions
        self._closed = False
        self._bells: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        workspace.state.on_change(self._ring)

    def routes(self) -> list[BaseRoute]:
        """Return the routes."""
        return [
            Route("/sandbox/api/snapshot", self._snapshot, methods=["GET"]),
            Route("/sandbox/api/changes", self._changes, methods=["GET"]),
            Route("/sandbox/api/faults", self._faults, methods=["POST"]),
            Route("/sandbox/api/redeliver", self._redeliver, methods=["POST"]),
            Route("/sandbox/api/disconnect", self._disconnect, methods=["POST"]),
            Route("/sandbox/api/{verb}", self._verb, methods=["POST"]),
            Route("/sandbox/drawer/{tab}", self._tab, methods=["GET"]),
            Route("/sandbox/actions/{name}", self._action, methods=["POST"]),
            Route("/sandbox/files/{file_id}", self._file, methods=["GET"]),
        ]

    async def _snapshot(self, request: Request) -> Response:
        person = request.query_params.get("person") or self._first_person()
        return await _answer(lambda: self._workspace.snapshot(person))

    async def _changes(self, request: Request) -> Response:
        """Answer once the version differs from ``since``, or after ``timeout`` seconds."""
        try:
            since = int(request.query_params.get("since", "0"))
            timeout_s = min(MAX_POLL_S, float(request.query_params.get("timeout", MAX_POLL_S)))
        except ValueError:
            return _refusal("since and timeout must be numbers")
        bell = (asyncio.get_running_loop(), asyncio.Event())
        self._bells.add(bell)
        try:
            if self._workspace.state.version == since and not self._closed:
                await asyncio.wait_for(bell[1].wait(), max(0.0, timeout_s))
        except TimeoutError:
            pass
        finally:
            self._bells.discard(bell)
        return JSONResponse({"version": self._workspace.state.version})

    def close(self) -> None:
        """Let everybody go who waits for a change: the server stops."""
        self._closed = True
        self._ring()

    def _ring(self) -> None:
        for loop, event in tuple(self._bells):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    async def _verb(self, request: Request) -> Response:
        workspace, verb = self._workspace, request.path_params["verb"]
        verbs: dict[str, Callable[..., Any]] = {
            "command": workspace.command,
            "say": workspace.say,
            "click": workspace.click,
            "press": workspace.press,
            "shortcut": workspace.shortcut,
            "choose": workspace.choose,
            "enter": workspace.enter,
            "fill": workspace.fill,
            "submit": self._submit,
            "close": workspace.close,
            "open_home": workspace.open_home,
            "reload": workspace.reload,
            "modal": workspace.modal,
            "visible": workspace.visible,
        }
        body = await _object(request)
        if verb not in verbs or body is None:
            return _refusal(f"POST a JSON object to one of: {', '.join(verbs)}")
        return await _answer(lambda: {"result": verbs[verb](**body)})

    def _submit(self, person: str, button: str = "Submit", values: JSON | None = None) -> None:
        """Submit the modal; *values* (block_id → value) are entered first."""
        for block_id, value in (values or {}).items():
            self._workspace.enter(person, block_id=block_id, value=value)
        self._workspace.submit(person, button)

    async def _faults(self, request: Request) -> Response:
        body = await _object(request)
        return await _answer(lambda: self._workspace.plan_faults(**(body or {})))

    async def _redeliver(self, _request: Request) -> Response:
        return await _answer(self._workspace.dispatcher.redeliver)

    async def _disconnect(self, request: Request) -> Response:
        reason = (await _object(request) or {}).get("reason", "refresh_requested")
        if reason not in {"warning", "refresh_requested", "link_disabled"}:
            return _refusal(f"no such reason: {reason}")
        return await _answer(lambda: {"connections": self._workspace.sockets.disconnect(reason)})

    async def _tab(self, request: Request) -> Response:
        data = self._drawer.get(request.path_params["tab"])
        return await _answer(lambda: {"data": data() if data else None})

    async def _action(self, request: Request) -> Response:
        action, body = self._actions.get(request.path_params["name"]), await _object(request)
        if action is None or body is None:
            return _refusal(f"POST a JSON object to one of: {', '.join(self._actions) or 'none'}")
        return await _answer(lambda: {"result": action(body)})

    async def _file(self, request: Request) -> Response:
        """Serve an uploaded picture; anything else only as a download."""
        stored = self._workspace.state.files.get(request.path_params["file_id"])
        if stored is None or stored.content is None:
            return Response(status_code=404)
        kind = _picture(stored.content)
        headers = {} if kind else {"Content-Disposition": "attachment"}
        return Response(stored.content, media_type=kind or "application/octet-stream", headers=headers)

    def _first_person(self) -> str:
        people = self._workspace.state.people.values()
        return next((each.id for each in people if not (each.bot or each.deactivated)), "")


async def _answer(work: Callable[[], Any]) -> Response:
    """Return what *work* returns, run in a thread; 409 with the reason where a person cannot do that."""
    try:
        return JSONResponse(await run_in_threadpool(work))
    except DeliveryError as problem:
        return _refusal(problem.reason)
    except (SandboxError, ValueError) as problem:
        return _refusal(str(problem))
    except TypeError as problem:
        return _refusal(f"wrong arguments: {problem}", status=400)


def _refusal(why: str, *, status: int = 409) -> Response:
    return JSONResponse({"error": why}, status_code=status)


async def _object(request: Request) -> JSON | None:
    try:
        body = await request.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _picture(content: bytes) -> str | None:
    if content.startswith(b"\x89PNG\r\n"):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/gif" if content.startswith((b"GIF87a", b"GIF89a")) else None
