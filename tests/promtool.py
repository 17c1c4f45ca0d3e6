"""Prometheus' own checker, promtool."""

import os
import shutil
import subprocess

import pytest


def promtool(*words: str, given: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    """Run it. Where it is not here: a failure in CI, a skip that says why elsewhere."""
    binary = shutil.which("promtool")
    if binary is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)("no promtool: apt-get install prometheus")
    return subprocess.run([binary, *words], input=given, capture_output=True, timeout=60, check=False)
