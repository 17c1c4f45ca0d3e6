"""Two renderings told apart, secrets hidden."""

import pytest
from pydantic import SecretStr

from provisioning.clients.concealment import Concealment
from provisioning.manifests import Hiding, Objects, differing_objects, fingerprint

HIDING = Hiding(SecretStr("key"), Concealment({"password": "hunter2-hunter2"}))


def objects(text: str) -> Objects:
    return HIDING.objects(text)


SECRET = "kind: Secret\nmetadata: {name: s}\nstringData: {password: %s}\n"


def test_a_secret_is_hidden_and_another_one_is_seen_to_be_another() -> None:
    """The same each time, and otherwise under another key: nobody tries weak ones out."""
    one, other = HIDING.objects(SECRET % "weak"), HIDING.objects(SECRET % "weaker")
    assert one == HIDING.objects(SECRET % "weak")
    assert one != Hiding(SecretStr("another"), str).objects(SECRET % "weak")
    assert fingerprint(one) != fingerprint(other)
    ((was, will),) = differing_objects(one, other).values()
    assert str(was).startswith("••• ")
    assert str(will).startswith("••• ")
    assert "weak" not in str(one)


@pytest.mark.parametrize(
    "text",
    [
        "kind: Deployment\nmetadata: {name: d}\nspec: {args: ['--password=hunter2-hunter2']}\n",
        "kind: Secret\nmetadata: {name: s}\ndata: {p: aHVudGVyMi1odW50ZXIy}\n",
        "kind: Deployment\nmetadata: {name: d, annotations: {checksum/secrets: hunter2-hunter2}}\n",
    ],
)
def test_no_secret_is_seen_anywhere(text: str) -> None:
    shown = str(objects(text))
    assert "hunter2" not in shown
    assert "aHVudGVy" not in shown


def test_objects_that_come_and_go_are_shown_whole() -> None:
    found, shall = objects("kind: A\nmetadata: {name: a}\n"), objects("kind: B\nmetadata: {name: b}\n")
    assert differing_objects(found, shall) == {
        "A/a": ("kind: A\nmetadata:\n  name: a\n", None),
        "B/b": (None, "kind: B\nmetadata:\n  name: b\n"),
    }


def test_of_a_long_text_only_the_lines_that_differ_are_shown() -> None:
    text = "kind: ConfigMap\nmetadata: {name: c, labels: {helm.sh/chart: x-%s}}\ndata:\n  a.yaml: |\n    one\n    %s\n"
    found, shall = HIDING.objects(text % ("1", "two")), HIDING.objects(text % ("2", "three"))
    assert differing_objects(found, shall) == {'ConfigMap/c.data."a.yaml"': ("two", "three")}
    assert fingerprint(found) != fingerprint(shall)


def test_a_change_of_the_version_label_alone_is_no_difference_but_another_fingerprint() -> None:
    text = "kind: A\nmetadata: {name: a, labels: {helm.sh/chart: x-%s}}\n"
    found, shall = HIDING.objects(text % 1), HIDING.objects(text % 2)
    assert differing_objects(found, shall) == {}
    assert fingerprint(found) != fingerprint(shall)
