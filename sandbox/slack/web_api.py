"""/api/METHOD, /response/…, /upload/…: how calls come in, who may make them, how errors go out."""

import hmac
import json
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from sandbox.slack import posting
from sandbox.slack.file_store import visible_to_app
from sandbox.slack.methods import METHODS
from sandbox.slack.methods import files as file_methods
from sandbox.slack.methods.call import Call, Method
from sandbox.slack.model import JSON, ApiError
from sandbox.slack.payloads import file_json
from sandbox.slack.workspace import Workspace

MAX_BODY_BYTES = 30_000_000
_FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}


class WebApi:
    """The Web API of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def routes(self) -> list[BaseRoute]:
        """Return the routes that the app talks to."""
        return [
            Route("/api/{method}", self._call, methods=["GET", "POST"]),
            Route("/response/{number}/{key}", self._respond, methods=["POST"]),
            Route("/upload/v1/{ticket}", self._upload, methods=["POST"]),
            Route("/files-pri/{team_and_file}/download/{name}", self._download, methods=["GET"]),
            Route("/files-pri/{team_and_file}/{name}", self._download, methods=["GET"]),
        ]

    async def _call(self, request: Request) -> Response:
        name = str(request.path_params["method"])
        began_s = time.monotonic()
        error = ""
        try:
            method = METHODS.get(name)
            if method is None:
                raise ApiError("unknown_method", req_method=name)  # noqa: TRY301 - answered like the rest
            token, arguments = await _read(request, method)
            call = Call(self._workspace, arguments, _base_url(request))
            body = await run_in_threadpool(self._answer, name, method, call, token)
            response = JSONResponse({"ok": True, **body})
        except ApiError as problem:
            response, error = _error(problem), problem.error
        response.headers["X-OAuth-Scopes"] = ",".join(sorted(self._workspace.state.manifest.scopes))
        self._workspace.note_call(name, response.status_code, error, time.monotonic() - began_s)
        return response

    def _answer(self, name: str, method: Method, call: Call, token: str) -> JSON:
        workspace, faults = self._workspace, self._workspace.faults
        if faults.take("slow"):
            time.sleep(faults.planned.slow_s)
        if faults.take("rate_limit"):
            raise ApiError("ratelimited", status=429, retry_after_s=faults.planned.retry_after_s)
        if faults.take("api_error"):
            raise ApiError("internal_error", status=500)
        self._authenticate(method, token)
        if wait_s := workspace.rate_limits.admit(name, time.monotonic()):
            raise ApiError("ratelimited", status=429, retry_after_s=wait_s)
        if method.scope:
            call.need_scope(method.scope)
        body = method.run(call)
        if faults.take("lost_answer"):
            raise ApiError("internal_error", status=500)
        return body

    def _authenticate(self, method: Method, token: str) -> None:
        if method.caller == "anyone":
            return
        if not token:
            raise ApiError("not_authed")
        kinds = {"bot": self._workspace.bot_token, "app": self._workspace.app_token}
        kind = next((kind for kind, known in kinds.items() if _same(token, known)), None)
        if kind is None:
            raise ApiError("invalid_auth")
        if method.caller not in {"both", kind}:
            raise ApiError("not_allowed_token_type")

    async def _respond(self, request: Request) -> Response:
        key = f"{request.path_params['number']}/{request.path_params['key']}"
        try:
            body = _json_object(await _body(request), status=400)
            await run_in_threadpool(self._use_response_url, key, body)
        except ApiError as problem:
            status = problem.status if problem.status != 200 else 400
            return JSONResponse(problem.body(), status_code=status)
        return PlainTextResponse("ok")

    def _use_response_url(self, key: str, body: Mapping[str, Any]) -> None:
        url = self._workspace.passes.use_response_url(key)
        posting.respond(
            self._workspace.state,
            body,
            person_id=url.person,
            channel_id=url.channel,
            message_ts=url.message_ts,
        )

    async def _download(self, request: Request) -> Response:
        """Hand a file to those who may have it; others are sent to the sign-in page, as by Slack."""
        state = self._workspace.state
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        team, _, file_id = str(request.path_params["team_and_file"]).partition("-")
        stored = state.files.get(file_id)
        known = _same(token, self._workspace.bot_token) and "files:read" in state.manifest.scopes
        if not known or team != state.team_id or stored is None or not visible_to_app(state, stored):
            return RedirectResponse(f"/?redir={request.url.path}", status_code=302)
        return Response(stored.content, media_type=str(file_json(state, file_id)["mimetype"]))

    async def _upload(self, request: Request) -> Response:
        file_id = self._workspace.passes.redeem_upload(str(request.path_params["ticket"]))
        if file_id is None:
            return PlainTextResponse("this upload URL is unknown or was used", status_code=404)
        kind = request.headers.get("content-type", "").split(";")[0]
        try:
            if kind == "multipart/form-data":
                async with request.form() as form:
                    part = next((each for each in form.values() if not isinstance(each, str)), None)
                    content = await part.read() if part is not None else b""
            else:
                content = await _body(request)
            file_methods.store(self._workspace.state, file_id, content)
        except ApiError as problem:
            return JSONResponse(problem.body(), status_code=problem.status)
        return PlainTextResponse(f"OK - {len(content)}")


async def _read(request: Request, method: Method) -> tuple[str, JSON]:
    """Return the token and the arguments, from wherever Slack reads them. Raises: ApiError."""
    header = request.headers.get("authorization", "")
    token = header[7:].strip() if header[:7].lower() == "bearer " else ""
    arguments: JSON = dict(request.query_params)
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    body = await _body(request)
    if kind == "application/json":
        # Slack ignores a JSON body where a method takes forms only; a token in JSON is never read
        given = _json_object(body or b"{}") if method.takes_json else {}
        given.pop("token", None)
        arguments |= given
    elif kind == "multipart/form-data":
        async with request.form() as form:
            arguments |= {key: value for key, value in form.items() if isinstance(value, str)}
    elif kind in _FORMS:
        try:
            pairs = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=200)
        except ValueError:
            raise ApiError("invalid_form_data") from None
        arguments |= dict(pairs)
    elif body:
        raise ApiError("invalid_post_type")
    return token or str(arguments.pop("token", "")), {k: v for k, v in arguments.items() if k != "token"}


async def _body(request: Request) -> bytes:
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > MAX_BODY_BYTES:
            raise ApiError("request_too_large", status=413)
    # Request.form() reads the body again
    request._body = bytes(received)  # noqa: SLF001 - starlette's own cache of the body
    return bytes(received)


def _json_object(body: bytes, *, status: int = 200) -> JSON:
    try:
        value = json.loads(body)
    except ValueError:
        raise ApiError("invalid_json", status=status) from None
    if not isinstance(value, dict):
        raise ApiError("json_not_object", status=status)
    return value


def _error(problem: ApiError) -> JSONResponse:
    headers = {}
    if "retry_after_s" in problem.extra:
        headers["Retry-After"] = str(problem.extra.pop("retry_after_s"))
    return JSONResponse(problem.body(), status_code=problem.status, headers=headers)


def _base_url(request: Request) -> str:
    return f"http://{request.headers['host']}"


def _same(given: str, known: str) -> bool:
    return hmac.compare_digest(given.encode(), known.encode())
