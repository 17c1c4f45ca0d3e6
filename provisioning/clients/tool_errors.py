"""What helm's and kubectl's failures mean: retryable or not, and what the reader does next. Pure.

Both tools print the API server's words on stderr and answer with exit code 1 for everything, so the words
are all there is. They are matched in one table, first match wins.
"""

import re
from dataclasses import dataclass

from provisioning.clients.process import Completed
from provisioning.errors import ChatopsError, PermanentError, TemporaryError, UnreachableError

DETAIL_LINES = 12
DETAIL_CHARS = 2000
GIST_CHARS = 240

_NOISE = ("Use --debug flag", "level=WARN", "WARNING: ")  # advice that would print values; what errors repeat
_CEREMONY = re.compile(
    r"^[Ee]rror: ((UPGRADE|INSTALLATION) FAILED: )?(release \S+ failed, and has been [^:]+ being set: )?"
)


@dataclass(frozen=True)
class _Meaning:
    pattern: str
    error: type[ChatopsError]
    problem: str
    next_action: str


_MEANINGS = (
    _Meaning(
        r"context \S+ does not exist|context was not found|stat \S+: no such file|no configuration has been provided",
        PermanentError,
        "the kubeconfig or its context is not there",
        "set CLUSTER__KUBECONFIG and CLUSTER__CONTEXT",
    ),
    _Meaning(
        r"x509: |certificate signed by unknown authority",
        PermanentError,
        "the other side's certificate was refused",
        "check the certificate authority in the kubeconfig or on this machine",
    ),
    _Meaning(
        r"because it is being terminated",
        TemporaryError,
        "the namespace is being deleted",
        "wait until it is gone, then Retry",
    ),
    _Meaning(
        r"[Uu]nauthorized|must be logged in|asked for the client to provide credentials"
        r"|response status code 40[13]|: 40[13] Forbidden|basic credential not found|no basic auth credentials",
        PermanentError,
        "the cluster or the chart repository refused the credentials",
        "check the credentials, then Retry",
    ),
    _Meaning(
        # helm 4, and helm 3 in its two ways
        r'"FetchReference" on source: \S+: not found|Error: (failed to resolve \S+: )?[\w.:-]+/\S+[:@]\S+: not found',
        PermanentError,
        "the registry has no such chart",
        "check the chart's name, version and digest, then Retry",
    ),
    _Meaning(
        r"server gave HTTP response to HTTPS client",
        PermanentError,
        "the registry speaks HTTP without TLS",
        "give it a certificate: credentials go to other machines by TLS alone",
    ),
    _Meaning(
        # of exec: the pod was looked up just before; after a reboot its API object outlives its containers
        r'unable to upgrade connection: container not found|error dialing backend|pods "[^"]+" not found'
        r"|cannot exec in(to)? a (container in a completed|stopped)|does not have a host assigned",
        TemporaryError,
        "the pod is gone, or does not run yet",
        "wait until it runs, then Retry",
    ),
    _Meaning(
        r"provided port is already allocated",
        PermanentError,
        "a port is taken by another Service",
        "free the port or choose another range, then Retry",
    ),
    _Meaning(
        r"exceeded quota|forbidden: exceeded",
        PermanentError,
        "a quota of the namespace is used up",
        "raise the quota, then Retry",
    ),
    _Meaning(
        r"another operation \(.*\) is in progress",
        TemporaryError,
        "another helm operation holds the release",
        "wait for it to end, then Retry",
    ),
    _Meaning(
        r"connection refused|no such host|no route to host|network is unreachable|i/o timeout"
        r"|TLS handshake timeout|[Cc]luster unreachable|was refused - did you specify",
        UnreachableError,
        "the cluster or the chart repository did not answer",
        "check that it is up and reachable from here, then Retry",
    ),
    _Meaning(
        r"etcdserver: |connection reset by peer|connection lost|unexpected EOF|broken pipe"
        r"|currently unable to handle the request|[Tt]oo [Mm]any [Rr]equests|server is overloaded"
        r"|the object has been modified|request did not complete within|: EOF\b"
        r"|status code 5\d\d|50[0234] (Internal|Bad|Service|Gateway)",
        TemporaryError,
        "the cluster could not answer just now",
        "Retry",
    ),
    _Meaning(
        r"is forbidden",
        PermanentError,
        "the cluster does not allow it",
        "check the bot's RBAC and the cluster's admission rules, then Retry",
    ),
    _Meaning(
        r"timed out waiting for the condition|context deadline exceeded|not ready\. status",
        PermanentError,
        "it did not become ready in time",
        "look at the namespace's pods and events, then Retry",
    ),
    _Meaning(
        r"don't meet the specifications of the schema|additional propert(y|ies)",
        PermanentError,
        "the chart refuses its values",
        "compare the chart's version with the configured one",
    ),
    _Meaning(
        r"cannot be imported into the current release|already exists",
        PermanentError,
        "an object of that name exists and belongs to somebody else",
        "remove or rename it, then Retry",
    ),
)


def cluster_error(doing: str, completed: Completed) -> ChatopsError:
    """Return the error that *completed* means: the class says whether trying again may work.

    Args:
        doing: for people: ``installing acme/clearml-agent``.
        completed: how the tool ended; its secrets must already be concealed.
    """
    said = f"{completed.stdout.strip()}\n{completed.stderr.strip()}"
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(_NOISE)]
    details = "\n".join(lines[-DETAIL_LINES:])[-DETAIL_CHARS:]
    if completed.returncode < 0:
        return TemporaryError(
            f"{doing}: killed by signal {-completed.returncode}", next_action="Retry", details=details
        )
    for meaning in _MEANINGS:
        if re.search(meaning.pattern, said):
            return meaning.error(f"{doing}: {meaning.problem}", next_action=meaning.next_action, details=details)
    return PermanentError(
        f"{doing}: {_gist(lines) or f'exit code {completed.returncode}, no words'}",
        next_action="look at the details, then Retry",
        details=details,
    )


def _gist(lines: list[str]) -> str:
    """Return the tool's own complaint, without the tool's ceremony, on one line."""
    starts = [number for number, line in enumerate(lines) if line.lower().startswith("error")]
    said = lines[starts[0] :] if starts else lines[-1:]
    if len(said) > 1 and said[0].endswith("occurred:"):  # helm 3: "1 error occurred:", then a list
        said = said[1:]
    gist = _CEREMONY.sub("", said[0]).strip().removeprefix("* ") if said else ""
    return gist if len(gist) <= GIST_CHARS else gist[:GIST_CHARS] + "…"
