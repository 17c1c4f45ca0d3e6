"""What a chart on this machine is made of."""

import io
import tarfile
from pathlib import Path

import pytest

from provisioning.clients import chart_files
from provisioning.errors import PermanentError


def chart_in(folder: Path, template: str = "a: {{ .Values.a }}\n") -> Path:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("name: agent\nversion: 1.0.0\n")
    (folder / "templates" / "one.yaml").write_text(template)
    return folder


def packed(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_a_folder_is_told_from_one_that_differs_in_anything(tmp_path: Path) -> None:
    """A file's content, its name, one more: each is another chart. Where it lies is not part of it."""
    first = chart_in(tmp_path / "a")
    same = chart_files.sha256(chart_in(tmp_path / "b"))
    assert chart_files.sha256(first) == same
    (first / "templates" / "one.yaml").write_text("a: 2\n")
    changed = chart_files.sha256(first)
    (first / "templates" / "one.yaml").rename(first / "templates" / "two.yaml")
    renamed = chart_files.sha256(first)
    (first / "README.md").write_text("")
    assert len({same, changed, renamed, chart_files.sha256(first)}) == 4


def test_a_file_is_told_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "chart.tgz").write_bytes(b"abc")
    said = chart_files.sha256(tmp_path / "chart.tgz")
    assert said == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_that_holds_itself_ends_and_links_are_followed(tmp_path: Path) -> None:
    """helm follows links, so what they lead to is part of the chart."""
    chart = chart_in(tmp_path / "chart")
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "more.yaml").write_text("b: 1\n")
    (chart / "templates" / "linked").symlink_to(shared)
    (chart / "templates" / "round").symlink_to(chart)
    before = chart_files.sha256(chart)
    (shared / "more.yaml").write_text("b: 2\n")
    assert chart_files.sha256(chart) != before


def test_one_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"reading chart .*gone\.tgz"):
        chart_files.sha256(tmp_path / "gone.tgz")


@pytest.mark.parametrize(
    ("template", "answer"),
    [
        ("a: {{ .Values.now }} # from now on randAlphaNum\n", (False, True)),  # a second look costs a second
        ("a: {{ .Values.a }} # genCA now\n", (False, False)),
        ("a: {{ randAlphaNum 16 | b64enc }}\n", (True, False)),
        ('{{- $ca := genCA "x" 365 }}\n', (True, False)),
        ("a: {{ now | date `15:04` }}\n", (False, True)),
    ],
)
def test_what_is_made_anew_is_told_by_the_templates(tmp_path: Path, template: str, answer: tuple[bool, bool]) -> None:
    """Within the actions alone; also in charts that lie packed within a packed chart."""
    assert chart_files.is_made_anew(chart_in(tmp_path / "chart", template)) == answer
    inner = packed({"inner/templates/_helpers.tpl": template.encode()})
    (tmp_path / "outer.tgz").write_bytes(packed({"outer/Chart.yaml": b"", "outer/charts/inner-1.0.0.tgz": inner}))
    assert chart_files.is_made_anew(tmp_path / "outer.tgz") == answer


def test_a_file_that_is_no_chart_is_said(tmp_path: Path) -> None:
    (tmp_path / "chart.tgz").write_bytes(b"no archive")
    with pytest.raises(PermanentError, match="reading chart"):
        chart_files.is_made_anew(tmp_path / "chart.tgz")
