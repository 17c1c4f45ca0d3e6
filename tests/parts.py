"""What some tests need beyond Python: where it is, or one line that says how to get it."""

import os
import shutil
from functools import cache
from pathlib import Path

from provisioning import tools
from provisioning.errors import ChatopsError
from sandbox.controlplane import build

CHROMIUM = Path("/usr/bin/chromium")
_DEBIANS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
POSTGRES = Path(found).resolve().parent if (found := shutil.which("postgres")) else next(iter(_DEBIANS), None)
"""The folder of initdb, pg_ctl and postgres."""


@cache
def missing(marker: str) -> str | None:
    """Return why tests with *marker* cannot run here, and what to do; None where they can.

    The control plane is built at the first call, if it is not in the cache yet.
    """
    match marker:
        case "browser":
            return None if CHROMIUM.exists() else "no chromium: apt-get install chromium"
        case "postgres":
            return None if POSTGRES else "no PostgreSQL: apt-get install postgresql"
        case "image":
            absent = [name for name in ("buildah", "mmdebstrap") if not shutil.which(name)]
            if absent:
                return f"no {' and no '.join(absent)}: apt-get install --no-install-recommends {' '.join(absent)}"
            return None if os.geteuid() == 0 else "only root may mount what is built: run these tests as root"
        case "cluster":
            try:
                build.ensure()
                tools.install()
            except (build.ControlPlaneUnavailable, ChatopsError) as problem:
                return str(problem)
    return None
