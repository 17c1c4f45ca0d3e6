"""The platform spec: what is right is read, what is wrong is refused with its place, no secret is written in it."""

import json

import jsonschema
import pytest
import yaml

from commands.platform import Component
from provisioning.platform.load import SpecError, example, load, schema
from provisioning.platform.spec import PlatformSpec


def test_the_commented_example_is_a_spec_with_everything() -> None:
    """What `platform init` writes loads as it stands, and names every component."""
    assert load(example()).components() == tuple(Component)


def test_the_example_says_every_field() -> None:
    """Operators copy it: what they can write stands in it, set or in a comment."""
    known = {
        name
        for definition in [schema(), *schema()["$defs"].values()]
        for name in definition.get("properties", {})
        if name not in {"registry", "tag", "python"}  # of images and of odd scripts: in docs/platform.md
    }
    for name in known:
        assert f"{name}:" in example() or f"{name} " in example(), name


def test_the_schema_takes_what_the_loader_takes() -> None:
    """Editors check against the published schema."""
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.Draft202012Validator(schema()).validate(yaml.safe_load(example()))


def test_what_is_left_out_is_not_ours() -> None:
    """A cluster whose GPU operator somebody else runs leaves that component out."""
    spec = load("base_domain: gpu.example.com\npolicies: {}\n")
    assert spec.components() == (Component.POLICIES,)
    assert spec.releases() == ()
    assert [spec.host(which) for which in ("api", "app", "files")] == [
        "api.gpu.example.com",
        "app.gpu.example.com",
        "files.gpu.example.com",
    ]


@pytest.mark.parametrize(
    ("was", "becomes", "path", "said"),
    [
        ("version: 1\n", "version: 2\n", "version", "'2' is wrong here"),
        ("base_domain: gpu.example.com", "base_domain: gpu_example", "base_domain", "is no domain"),
        (
            "repository: nvidia,",
            "repository: nvidea,",
            "",
            "'nvidea' is not listed: there are nvidia",
        ),
        ("users_see_datasets: false", "users_see_dataset: no", "server.features.users_see_dataset", "did you mean"),
        ("timeout_s: 900   ", "timeout_s: 1   ", "gpu_operator.timeout_s", "'1' is too small: 5 at least"),
        ("namespace: gpu-operator", "namespace: GPU", "gpu_operator.namespace", "'GPU' is no namespace"),
        ("version: v25.3.0", "version: latest", "gpu_operator.chart.version", "'latest'"),
        (
            "version: v25.3.0",
            f"version: v25.3.0, digest: 'sha256:{'a' * 64}'",
            "",
            "gpu_operator.chart.digest: only OCI registries",
        ),
        (
            "{setting: redis.password}\n  arch",
            "{setting: redis}\n  arch",
            "redis.password.setting",
            "'redis' is no setting",
        ),
        ('sha256: "0000', 'sha256: "xx00', "applications.sha256", "is no SHA-256"),
        ("script: upload_apps.py", "script: ../up.py", "applications", "script and folder are plain names"),
        ("url: https://example.com/cl", "url: http://example.com/cl", "applications", "url: write https://…"),
        ("https://charts.bitnami.com", "https://user@charts.bitnami.com", "repositories.bitnami.url", "is no address"),
        ("  variables: {}", "  variables: {PATH: x}", "server.variables.PATH.[key]", "begins with CLEARML__"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(was: str, becomes: str, path: str, said: str) -> None:
    """The line, the field's path, and what to write instead."""
    assert was in example()
    with pytest.raises(SpecError) as caught:
        load(example().replace(was, becomes, 1))
    (problem,) = caught.value.problems
    assert problem.path == path or not path
    assert said in problem.what
    assert problem.line >= 1


def test_a_secret_that_is_written_out_is_refused_and_not_repeated() -> None:
    """The file lies in version control; the message reaches a channel."""
    with pytest.raises(SpecError, match="no secret is written here") as caught:
        load(example().replace("{setting: redis.password}\n  arch", "hunter2-hunter2\n  arch"))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("where", ["{}", "{setting: a.b, secret: a/b/c}"])
def test_a_secret_lies_in_one_place(where: str) -> None:
    with pytest.raises(SpecError, match="name one place"):
        load(example().replace("{setting: redis.password}\n  arch", f"{where}\n  arch"))


def test_it_survives_json() -> None:
    """A spec is data: nothing of it is lost on the way through a plan."""
    spec = load(example())
    assert PlatformSpec.model_validate(json.loads(spec.model_dump_json())) == spec
