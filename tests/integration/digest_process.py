"""One of several processes that fire the same digests: `python -m tests.integration.digest_process FOLDER SLOTS`.

Waits for a line on stdin, then passes SLOTS slots, and prints the slots that it posted, as JSON.
"""

import json
import sys
from datetime import timedelta
from pathlib import Path

from provisioning.redact import Redactor
from provisioning.store import Store
from tests.integration.digest_samples import START, Hands, desk


def main(folder: str, slots: int) -> None:
    hands = Hands()
    store = Store(Path(folder) / "chatops.db", clock=hands, redact=Redactor())
    one = desk(store, hands)
    print("ready", flush=True)  # noqa: T201 - the parent waits for it
    sys.stdin.readline()
    for number in range(1, slots + 1):
        hands.at = START + timedelta(minutes=5 * number)
        one.tick()
    print(json.dumps([report.summary for report in hands.sent]), flush=True)  # noqa: T201 - the parent reads it
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
