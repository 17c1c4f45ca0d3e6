"""The server's pods in the sandbox's cluster, and what `kubectl exec` finds in them.

kwok runs what is exec'ed on this machine, with its own folder first on PATH. There stand a ``python3`` and an ``rm``
that know the server's management jobs and its files, and nothing else: they (``pod_program``) hand their words to
``create_app``'s server.
"""

import json
import stat
import sys
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sandbox.clearml import pod_program
from sandbox.clearml.state import ClearMLState

NAMESPACE = "clearml-server"
APISERVER, FILESERVER = "clearml-apiserver", "clearml-fileserver"
FILES = "/mnt/fileserver/"


def manifests() -> list[dict[str, Any]]:
    """Return the namespace and the two pods."""
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{name}-0", "namespace": NAMESPACE},
            "spec": {
                "containers": [{"name": name, "image": "clearml-server:sandbox"}],
                "terminationGracePeriodSeconds": 0,
                "tolerations": [{"operator": "Exists"}],
            },
        }
        for name in (APISERVER, FILESERVER)
    ]
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, *pods]


def write_programs(folder: Path, url: str) -> None:
    """Put the programs into *folder*, which is on kwok's PATH; *url* is ``create_app``'s server."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("python3", "rm"):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "{pod_program.__file__}" "{url}" {name} "$@"\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)


def create_app(state: ClearMLState) -> Starlette:
    """Return the server's inside as an ASGI app: a program's words in, its exit code and last words out."""

    async def run(request: Request) -> Response:
        words = json.loads(await request.body())
        with state.lock:
            problem = _run(state, words)
            state.save()
        return PlainTextResponse(problem or "done\n", status_code=400 if problem else 200)

    return Starlette(routes=[Route("/run", run, methods=["POST"])])


def _run(state: ClearMLState, words: list[str]) -> str:
    """Do what the words say; return what is wrong with them, or ""."""
    if state.fail_jobs > 0:
        state.fail_jobs -= 1
        return "pymongo.errors.ServerSelectionTimeoutError: No primary available for writes\n"
    match words:
        case ["python3", "-m", "jobs.management.delete_company_data_from_mongo", "--id", id_, "--name", name, *rest]:
            company = state.companies_by_id.get(id_)
            if company is None or company.name != name:
                return f"company {name} with id {id_} was not found\n"
            if rest != ["--delete-user"]:
                return f"unrecognized arguments: {' '.join(rest)}\n"
            del state.companies_by_id[id_]
            for user_id in [user.id for user in state.users.values() if user.company == id_]:
                del state.users[user_id]
        case ["python3", "-m", "jobs.management.cleanup_deleted_companies", "--ids", id_, "--delete-company"]:
            if id_ in state.companies_by_id:
                return f"company {id_} is not deleted\n"
            state.cleaned.append(f"elastic {id_}")
        case ["rm", "-rf", "--", path] if path.startswith(FILES) and path.removeprefix(FILES).strip("/."):
            state.cleaned.append(f"files {path.removeprefix(FILES)}")
        case _:
            return f"the sandbox's server knows no such command: {' '.join(words)}\n"
    return ""
