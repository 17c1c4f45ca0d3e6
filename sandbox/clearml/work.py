"""Queues, workers and the server itself: the services queues, workers, server and debug."""

from collections.abc import Mapping

from sandbox.clearml.accounts import compiled, iso
from sandbox.clearml.model import SYSTEM_ROLES, WORKER_TIMEOUT_S, ApiRefusal, Caller
from sandbox.clearml.paging import page_of
from sandbox.clearml.schema import Data, Endpoint, Kind
from sandbox.clearml.state import ClearMLState

BUILD = "1443"
API_VERSION = "2.30"


def _create_queue(state: ClearMLState, caller: Caller, data: Data) -> Data:
    if not state.admins_make_queues and caller.role not in SYSTEM_ROLES:
        raise ApiRefusal(403, 20, f"Forbidden (not allowed for role): role={caller.role}")
    return {"id": state.create_queue(caller.company, data["name"])}


def _get_queues(state: ClearMLState, caller: Caller, data: Data) -> Data:
    pattern, ids = compiled(data.get("name")), data.get("id")
    found = [
        {"id": queue_id, "name": name, "company": caller.company, "entries": [], "tags": [], "system_tags": []}
        for name, queue_id in state.companies_by_id[caller.company].queues.items()
        if (ids is None or queue_id in ids) and pattern.search(name)
    ]
    return {"queues": page_of(found, data)}


def _delete_queue(state: ClearMLState, caller: Caller, data: Data) -> Data:
    queues = state.companies_by_id[caller.company].queues
    name = next((name for name, queue_id in queues.items() if queue_id == data["queue"]), None)
    if name is None:
        raise ApiRefusal(400, 701, f"Invalid queue id: id={data['queue']}, company={caller.company}")
    del queues[name]
    return {"deleted": 1}


def _get_workers(state: ClearMLState, caller: Caller, data: Data) -> Data:
    last_seen_s = data.get("last_seen", 3600)
    oldest = state.clock() - max(1, last_seen_s) if last_seen_s else 0.0  # 0: all that are registered
    names = {queue_id: name for name, queue_id in state.companies_by_id[caller.company].queues.items()}
    return {
        "workers": [
            {
                "id": worker.id,
                "user": {"id": worker.user},
                "company": {"id": caller.company},
                "queues": [{"id": one, "name": names.get(one), "num_tasks": 0} for one in worker.queues],
                "register_time": iso(worker.registered_at),
                "last_activity_time": iso(worker.seen_at),
            }
            for worker in state.workers(caller.company)
            if worker.seen_at >= oldest
        ]
    }


def _register_worker(state: ClearMLState, caller: Caller, data: Data) -> Data:
    timeout_s = float(data.get("timeout") or WORKER_TIMEOUT_S)
    state.register_worker(state.users[caller.user], data["worker"], list(data.get("queues") or ()), timeout_s)
    return {}


def _unregister_worker(state: ClearMLState, caller: Caller, data: Data) -> Data:
    state.companies_by_id[caller.company].workers.pop(f"{caller.user} {data['worker']}", None)
    return {}


def _ping(_state: ClearMLState, _caller: Caller, data: Data) -> Data:
    return {"msg": "ClearML server", **data}


def _info(state: ClearMLState, _caller: Caller, _data: Data) -> Data:
    return {
        "version": ".".join(map(str, state.server_version)),
        "build": BUILD,
        "api_version": API_VERSION,
        "commit": "",
        "uid": "sandbox",
    }


WORK: Mapping[str, Endpoint] = {
    "debug.ping": Endpoint(run=_ping, needs_auth=False, takes_anything=True),
    "server.info": Endpoint(run=_info),
    "queues.create": Endpoint(
        run=_create_queue,
        required=("name",),
        fields={"name": Kind.TEXT, "tags": Kind.TEXTS, "system_tags": Kind.TEXTS, "metadata": Kind.OBJECT},
        since=(2, 4),
    ),
    "queues.get_all": Endpoint(
        run=_get_queues,
        fields={
            "name": Kind.TEXT,
            "id": Kind.TEXTS,
            "only_fields": Kind.TEXTS,
            "order_by": Kind.TEXTS,
            "page": Kind.NUMBER,
            "page_size": Kind.NUMBER,
        },
        since=(2, 4),
    ),
    "queues.delete": Endpoint(
        run=_delete_queue, required=("queue",), fields={"queue": Kind.TEXT, "force": Kind.FLAG}, since=(2, 4)
    ),
    "workers.get_all": Endpoint(run=_get_workers, fields={"last_seen": Kind.NUMBER}, since=(2, 4)),
    "workers.register": Endpoint(
        run=_register_worker,
        required=("worker",),
        fields={"worker": Kind.TEXT, "timeout": Kind.NUMBER, "queues": Kind.TEXTS, "tags": Kind.TEXTS},
        since=(2, 4),
    ),
    "workers.unregister": Endpoint(
        run=_unregister_worker, required=("worker",), fields={"worker": Kind.TEXT}, since=(2, 4)
    ),
}
