"""YAML of charts, which come from outside."""

import time

import pytest
import yaml

from provisioning import chart_yaml

NINE = ", ".join(["*%s"] * 9)
BOMB = "\n".join(
    [
        "a: &a [x, x, x, x, x, x, x, x, x]",
        *(f"{b}: &{b} [{NINE.replace('%s', a)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    ]
)
MERGES = "\n".join(
    [
        "a: &a {x: 1}",
        *(f"{b}: &{b} {{<<: [{NINE.replace('%s', a)}]}}" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    ]
)


def test_anchors_are_fine() -> None:
    """Charts use them."""
    assert chart_yaml.load("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: *a\n") == {
        "a": {"x": 1},
        "b": {"x": 1, "y": 2},
        "c": {"x": 1},
    }


def test_documents_come_one_by_one() -> None:
    assert list(chart_yaml.load_all("a: 1\n---\n---\nb: 2\n")) == [{"a": 1}, None, {"b": 2}]
    assert chart_yaml.load("# nothing\n") is None
    with pytest.raises(yaml.YAMLError, match="more than one"):
        chart_yaml.load("a: 1\n---\nb: 2\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BOMB, "stand for too much"),
        (MERGES, "stand for too much"),
        ("a: &a [*a]\n", "within what it stands for"),
        ("a: &a {b: {c: *a}}\n", "within what it stands for"),
        ("[" * 5000, "nest|depth|while parsing"),
        ("a: !!python/object/apply:os.system [id]\n", "could not determine a constructor"),
        ("a: {{ .Values.a }}\n", "unhashable"),
    ],
)
def test_bombs_are_refused_at_once(text: str, why: str) -> None:
    """Some lines that stand for half a billion values, and one that holds itself."""
    begun = time.process_time()
    with pytest.raises(yaml.YAMLError, match=why):
        list(chart_yaml.load_all(text))
    assert time.process_time() - begun < 2
