"""The upload in three steps: getUploadURLExternal, a POST of the bytes, completeUploadExternal."""

from typing import Any

from sandbox.slack import posting
from sandbox.slack.file_store import visible_to_app
from sandbox.slack.methods.call import Call, Method
from sandbox.slack.model import JSON, ApiError, StoredFile
from sandbox.slack.payloads import file_json
from sandbox.slack.state import State

MAX_FILE_BYTES = 25_000_000  # the sandbox's own: Slack takes 1 GB


def _get_upload_url(call: Call) -> JSON:
    call.require("filename", "length")
    try:
        length = int(str(call.arguments["length"]))
    except ValueError:
        raise ApiError("invalid_arguments", messages=("length must be an integer",)) from None
    if not 0 < length <= MAX_FILE_BYTES:
        raise ApiError("file_upload_size_restricted")
    alt_text = str(call.arguments.get("alt_txt") or "")
    if len(alt_text) > 1000:
        raise ApiError("alt_txt_too_large")
    with call.state.lock:
        stored = StoredFile(id=call.state.new_id("F"), name=call.text("filename"), length=length, alt_text=alt_text)
        call.state.files[stored.id] = stored
    ticket = call.workspace.passes.upload(stored.id)
    return {"upload_url": f"{call.base_url}/upload/v1/{ticket}", "file_id": stored.id}


def store(state: State, file_id: str, content: bytes) -> None:
    """Keep what was posted to the upload URL. Raises: ApiError, where it is not as long as announced."""
    with state.lock:
        stored = state.files[file_id]
        if len(content) != stored.length:
            raise ApiError("file_size_mismatch", status=400)
        stored.content = content


def _complete(call: Call) -> JSON:
    call.require("files")
    given = posting.parsed(call.arguments["files"], "invalid_arguments")
    if not isinstance(given, list) or not given or not all(isinstance(each, dict) for each in given):
        raise ApiError("invalid_arguments", messages=("files must be an array of {id, title}",))
    state = call.state
    channel_id = call.arguments.get("channel_id") or call.arguments.get("channels")
    with state.lock:
        stored = [_uploaded(state, each) for each in given]
        if channel_id:
            channel = posting.channel_for_post(state, channel_id, files=True)
            thread_ts = call.arguments.get("thread_ts")
            comment = str(call.arguments.get("initial_comment") or "")
            said = posting.Content(text=comment, blocks=None)
            if call.arguments.get("blocks"):
                said = posting.content({"blocks": call.arguments["blocks"]}, state)
            files = tuple(each.id for each in stored)
            posting.post(state, channel, said, thread_ts=str(thread_ts) if thread_ts else None, files=files)
        for file, each in zip(stored, given, strict=True):
            file.completed = True
            file.title = str(each.get("title") or "")
    return {"files": [file_json(state, each.id) for each in stored]}


def _uploaded(state: State, given: dict[str, Any]) -> StoredFile:
    stored = state.files.get(str(given.get("id", "")))
    if stored is None or stored.content is None or stored.completed:
        raise ApiError("file_not_found")
    return stored


def _info(call: Call) -> JSON:
    stored = call.state.files.get(call.text("file"))
    if stored is None or not visible_to_app(call.state, stored):
        raise ApiError("file_not_found")
    return {"file": file_json(call.state, stored.id), "comments": [], "response_metadata": {"next_cursor": ""}}


METHODS = {
    "files.info": Method(run=_info, scope="files:read"),
    "files.getUploadURLExternal": Method(run=_get_upload_url, scope="files:write"),
    "files.completeUploadExternal": Method(run=_complete, scope="files:write", takes_json=True),
}
