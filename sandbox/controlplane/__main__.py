"""``python -m sandbox.controlplane``: build the control plane now, so that nothing has to wait for it later."""

import sys

from sandbox.controlplane.build import ControlPlaneUnavailable, ensure

try:
    ensure(lambda line: print(line, file=sys.stderr, flush=True))  # noqa: T201 - a command's progress
except ControlPlaneUnavailable as problem:
    sys.exit(f"no control plane: {problem}")
