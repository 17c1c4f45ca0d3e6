"""The stand-in server's door: path, authentication, headers, body, envelope, faults.

In the order of the real one (service_repo.handle_call): the call is found, the caller known and their role
checked; then whom they act for, and that role; then the body.
"""

import asyncio
import base64
import binascii
import json
import re
import uuid
from typing import Any, NoReturn

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox.clearml.endpoints import endpoint_of
from sandbox.clearml.model import ApiRefusal, Caller, User
from sandbox.clearml.schema import Endpoint, check_body, check_role
from sandbox.clearml.state import ClearMLState
from sandbox.clearml.work import API_VERSION

IMPERSONATE = "x-clearml-impersonate-as"
ACT_AS = "x-clearml-act-as"
MAY_ACT = frozenset({"system", "root", "admin"})
NOBODY = Caller(user="", company="", role="")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]  # the real one does not look at it
_PATH = re.compile(r"/?(?:v(?P<version>\d+\.?\d+)/)?(?P<name>[a-zA-Z_]\w+\.[a-zA-Z_]\w+)/?", re.ASCII)


class _Dropped(Response):
    """Breaks the connection: promises a body and ends without one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})


def create_app(state: ClearMLState) -> Starlette:
    """Return the server as an ASGI app."""

    async def handle(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response()
        if state.slow_s:
            await asyncio.sleep(state.slow_s)
        body = await request.body()
        with state.lock:
            return _answer(state, request, body)

    return Starlette(routes=[Route("/{path:path}", handle, methods=METHODS)])


def _answer(state: ClearMLState, request: Request, body: bytes) -> Response:
    matched = _PATH.fullmatch(request.url.path)
    name = matched["name"] if matched else request.url.path.strip("/")[:80]
    version = (matched["version"] if matched else None) or API_VERSION
    acting = [header for header in (IMPERSONATE, ACT_AS) if request.headers.get(header)]
    with state.recorded(name, acting, request.headers.keys()) as line:
        broken = _broken(state, line)
        if broken is not None:
            return broken
        code, subcode, message, data = 200, 0, "OK", {}
        endpoint: Endpoint | None = None
        try:
            endpoint = _endpoint(state, name, version, is_well_formed=matched is not None)
            data = _call(state, request, endpoint, body, line)
        except ApiRefusal as refusal:
            code, subcode, message = refusal.code, refusal.subcode, refusal.message
        line["code"], line["subcode"] = code, subcode
        if state.lose_next > 0:
            state.lose_next -= 1
            return _Dropped()
    call_id = uuid.uuid4().hex
    meta = {
        "id": call_id,
        "trx": request.headers.get("x-clearml-trx") or call_id,
        "endpoint": {
            "name": name,
            "requested_version": version,
            "actual_version": None if endpoint is None else "{}.{}".format(*endpoint.since),
        },
        "result_code": code,
        "result_subcode": subcode,
        "result_msg": message,
        "error_stack": None,
        "error_data": {},
    }
    return JSONResponse({"meta": meta, "data": data}, status_code=code, headers={"server": "clearml"})


def _broken(state: ClearMLState, line: dict[str, Any]) -> Response | None:
    """Return what a fault makes of the call; None without one."""
    if state.drop_next > 0:
        state.drop_next -= 1
        return _Dropped()
    if state.is_down:  # what a load balancer says when nothing is behind it
        line["code"] = 503
        return PlainTextResponse("Service Unavailable", status_code=503)
    if state.fail_next > 0 and state.fail_code != 500:
        state.fail_next -= 1
        line["code"] = state.fail_code
        return PlainTextResponse("upstream error", status_code=state.fail_code)
    return None


def _endpoint(state: ClearMLState, name: str, version: str, *, is_well_formed: bool) -> Endpoint:
    if state.fail_next > 0:
        state.fail_next -= 1
        raise ApiRefusal(500, 100, "General data error: err=the database went away")
    if not is_well_formed:
        raise ApiRefusal(400, 0, f"Invalid request path {name}")
    endpoint = endpoint_of(state, name)
    major, _, minor = version.partition(".")
    if endpoint is None or (int(major), int(minor or 0)) < endpoint.since:
        raise ApiRefusal(404, 0, f"Unable to find endpoint for name {name} and version {version}")
    return endpoint


def _call(
    state: ClearMLState, request: Request, endpoint: Endpoint, body: bytes, line: dict[str, Any]
) -> dict[str, Any]:
    caller = NOBODY
    if endpoint.needs_auth:
        user = _user(state, request)
        check_role(endpoint, user.role)
        caller = _acting(state, request, user)
        line["caller"] = caller.user
        check_role(endpoint, caller.role)
    data = _body(request, body)
    line["fields"] = sorted(data)
    check_body(endpoint, data)
    return endpoint.run(state, caller, data)


def _user(state: ClearMLState, request: Request) -> User:
    header = request.headers.get("authorization", "")
    if not header:
        raise ApiRefusal(401, 20, "Unauthorized (missing credentials)")
    scheme, _, value = header.partition(" ")
    match scheme:  # the real one compares case
        case "Basic":
            try:
                key, _, secret = base64.b64decode(value, validate=True).decode("latin-1").partition(":")
            except binascii.Error:
                raise ApiRefusal(401, 21, "Unauthorized (malformed credentials)") from None
            return state.user_by_credentials(key, secret)
        case "Bearer":
            return state.user_by_token(value)
        case _:
            raise ApiRefusal(401, 10, "Unauthorized (bad authentication header type)")


def _acting(state: ClearMLState, request: Request, user: User) -> Caller:
    impersonated, acted = request.headers.get(IMPERSONATE), request.headers.get(ACT_AS)
    if impersonated and acted:
        raise ApiRefusal(400, 5, "Invalid headers (only one allowed)")
    target_id = impersonated or acted
    if not target_id:
        return Caller(user=user.id, company=user.company, role=user.role)
    if user.role not in MAY_ACT:
        raise ApiRefusal(400, 6, f"Impersonation error (impersonation not allowed): role={user.role}")
    crosses = user.role == "root" or (user.role == "system" and state.system_crosses_companies)
    target = state.users.get(target_id)
    if target is None or not (crosses or target.company == user.company):
        raise ApiRefusal(400, 6, f"Impersonation error (unknown user): id={target_id}")
    return Caller(user=target.id, company=target.company, role=target.role if impersonated else user.role)


def _body(request: Request, body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body, parse_constant=_no_constant) if body else {}
    except ValueError:
        raise ApiRefusal(400, 0, "Failed to decode JSON object") from None
    data = data or {}  # null, [] and "" are taken for nothing
    if not isinstance(data, dict):
        raise ApiRefusal(500, 0, "Data should be a dict")
    return {**data, **dict(request.query_params)}


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
