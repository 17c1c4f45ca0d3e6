"""What ``python3`` and ``rm`` are inside the sandbox's server pods: words in, the server's answer out.

Run by path, in isolation: it imports nothing but the standard library.
"""

import json
import sys
import urllib.error
import urllib.request


def main(url: str, *words: str) -> int:
    """Hand *words* to the server at *url*; return the exit code."""
    request = urllib.request.Request(f"{url}/run", data=json.dumps(words).encode(), method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - the sandbox's own address
            sys.stdout.write(answer.read().decode())
    except urllib.error.HTTPError as problem:
        sys.stderr.write(problem.read().decode())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
