"""The stand-in server's door: path, authentication, headers, envelope, faults."""

import asyncio
import base64
import binascii
import json
import re
import uuid
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clearml.endpoints import ENDPOINTS, check
from sandbox.clearml.state import ApiRefusal, Caller, ClearMLState

IMPERSONATE = "x-clearml-impersonate-as"
ACT_AS = "x-clearml-act-as"
_PATH = re.compile(r"/(?:v(?P<version>2(?:\.\d+)?)/)?(?P<name>[a-z_]+\.[a-z_]+)")
NEWEST = "2.30"


def create_app(state: ClearMLState) -> Starlette:
    """Return the server as an ASGI app."""

    async def handle(request: Request) -> Response:
        if state.slow_s:
            await asyncio.sleep(state.slow_s)
        if state.is_down:
            # What a load balancer says when nothing is behind it: no envelope.
            return Response("Service Unavailable", status_code=503)
        body = await request.body()
        with state.lock:
            return _answer(state, request, body)

    return Starlette(routes=[Route("/{path:path}", handle, methods=["GET", "POST"])])


def _answer(state: ClearMLState, request: Request, body: bytes) -> Response:
    matched = _PATH.fullmatch(request.url.path)
    name = matched.group("name") if matched else request.url.path.lstrip("/")[:80]
    version = (matched.group("version") if matched else None) or NEWEST
    acting = [header for header in (IMPERSONATE, ACT_AS) if header in request.headers]
    with state.recorded(name, acting) as line:
        code, subcode, message, data = 200, 0, "OK", {}
        try:
            data = _call(state, request, name, body, line)
        except ApiRefusal as refusal:
            code, subcode, message = refusal.code, refusal.subcode, refusal.message
        line["code"], line["subcode"] = code, subcode
    meta = {
        "id": uuid.uuid4().hex,
        "trx": uuid.uuid4().hex,
        "endpoint": {"name": name, "requested_version": version, "actual_version": "1.0"},
        "result_code": code,
        "result_subcode": subcode,
        "result_msg": message,
        "error_stack": None,
        "error_data": None,
    }
    return JSONResponse({"meta": meta, "data": data}, status_code=code)


def _call(state: ClearMLState, request: Request, name: str, body: bytes, line: dict[str, Any]) -> dict[str, Any]:
    if state.fail_next > 0:
        state.fail_next -= 1
        raise ApiRefusal(500, 100, "General data error (the database went away)")
    endpoint = ENDPOINTS.get(name)
    if endpoint is None:
        raise ApiRefusal(404, 0, f"Unable to find endpoint for name {name} and version {NEWEST}")
    caller = Caller(user="", company="", role="")
    if endpoint.needs_auth:
        caller = _caller(state, request)
        line["caller"] = caller.user
    try:
        data = json.loads(body) if body.strip() else {}
    except ValueError:
        raise ApiRefusal(400, 1, "Invalid request (request body is not valid JSON)") from None
    if not isinstance(data, dict):
        raise ApiRefusal(400, 1, "Invalid request (request body must be an object)")
    check(endpoint, caller, data)
    return endpoint.run(state, caller, data)


def _caller(state: ClearMLState, request: Request) -> Caller:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "basic":
            try:
                key, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise ApiRefusal(401, 21, "Unauthorized (malformed credentials)") from None
            user = state.user_by_credentials(key, secret)
        case "bearer":
            user = state.user_by_token(value)
        case _:
            raise ApiRefusal(401, 20, "Unauthorized (missing credentials)")
    own = Caller(user=user.id, company=user.company, role=user.role)
    impersonated, acted = request.headers.get(IMPERSONATE), request.headers.get(ACT_AS)
    if impersonated and acted:
        raise ApiRefusal(400, 5, "Invalid headers (only one of impersonate-as and act-as is allowed)")
    target_id = impersonated or acted
    if not target_id:
        return own
    target = state.users.get(target_id)
    if target is None or (own.role not in {"system", "root"} and target.company != own.company):
        raise ApiRefusal(400, 6, "Impersonation error (unknown user)")
    return Caller(user=target.id, company=target.company, role=target.role if impersonated else own.role)
