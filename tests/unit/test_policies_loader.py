"""Policy YAML: what is right is read as written; what is wrong is refused, with its place and what to write."""

import time

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from commands.spec import Risk
from policies.loader import MAX_TEXT, PolicyError, Problem, default_text, json_schema, load
from policies.policy import MOST_RULES, Approvals, MorePeople, Policy, Rule
from policies.windows import Window

RULE = "rules:\n- name: a\n  effect: allow\n"
DENY = "rules:\n- name: a\n  effect: deny\n"
APPROVE = "rules:\n- name: a\n  effect: approve\n  approvals:\n"


def test_the_default_policy_is_a_policy() -> None:
    """It ships with the package, loads, and each of its rules is explained by a comment above it."""
    text = default_text()
    assert len(load(text).rules) == 8
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.lstrip().startswith("- name:"):
            assert lines[number - 1].lstrip().startswith("#"), line


def test_the_default_policys_comments_explain_every_field() -> None:
    """Operators copy it: what they can write stands in it."""
    comments = "\n".join(line for line in default_text().splitlines() if line.startswith("#"))
    for model in (Rule, Approvals, MorePeople, Window):
        for name, field in model.model_fields.items():
            assert (field.alias or name) in comments, name
    for value in (*Risk, "viewer", "operator", "approver", "admin", "allow", "deny", "approve"):
        assert value in comments


def test_the_default_policys_example_can_be_uncommented() -> None:
    """The freeze that it shows works as it stands, above the rules that allow."""
    head, shown, rest = default_text().partition("  # - name: freeze")
    example, _, rules = (shown + rest).partition("\n\n")
    freeze = load(head + example.replace("  # ", "  ") + "\n" + rules).rules[0]
    assert (freeze.name, freeze.effect, freeze.subjects) == ("freeze-before-the-launch", "deny", ("prod-*",))


def test_text_is_read_as_written() -> None:
    """YAML's own guesses stay out: no is no boolean, 010 no octal, a date no date."""
    policy = load(
        "version: 1\nrules:\n"
        "- {name: no, effect: allow, subjects: [010, 2026-01-01, null, on], channels: [C010]}\n"
        "- {name: 12, effect: approve, approvals: {expires_after_h: 0.5, reason_required: true, count: 2}}\n"
    )
    first, second = policy.rules
    assert (first.name, first.subjects, first.channels) == ("no", ("010", "2026-01-01", "null", "on"), ("C010",))
    assert second.name == "12"
    assert second.approvals == Approvals(expires_after_h=0.5, reason_required=True, count=2)


@pytest.mark.parametrize(
    ("text", "line", "path", "said"),
    [
        ("", 1, "", "it is empty"),
        ("# only a comment\n", 1, "", "it is empty"),
        ("- a\n", 1, "", "must be a mapping"),
        ("version: 1\n", 1, "rules", "is missing"),
        ("version: 1\nrules: []\n", 2, "rules", "0 rules: a policy has 1 to 500"),
        ("version: 1\nrules:\n", 2, "rules", "must be a list"),
        ("version: 2\n" + RULE, 1, "version", "'2' is wrong here: write 1"),
        ("rules:\n- name: a\n", 2, "rules[0].effect", "is missing"),
        ("rules:\n- effect: allow\n", 2, "rules[0].name", "is missing"),
        ("rules:\n- name:\n  effect: allow\n", 2, "rules[0].name", "is too short"),
        ("rules:\n- name: a\n  effect: permit\n", 3, "rules[0].effect", "write 'allow', 'deny' or 'approve'"),
        (RULE + "  risks: [read, wild]\n", 4, "rules[0].risks[1]", "write 'read', 'change' or 'destroy'"),
        (RULE + "  risks:\n  - read\n  - wild\n", 6, "rules[0].risks[1]", "'wild' is wrong here"),
        (RULE + "  roles: [root]\n", 4, "rules[0].roles[0]", "write 'viewer', 'operator', 'approver' or 'admin'"),
        (RULE + "  roles: admin\n", 4, "rules[0].roles", "must be a list, as in [a, b]"),
        (RULE + "  roles: []\n", 4, "rules[0].roles", "an empty list matches nothing"),
        (RULE + "  roles:\n", 4, "rules[0].roles", "must be a list"),
        (RULE + "  commands: []\n", 4, "rules[0].commands", "an empty list matches nothing"),
        (RULE + "  commands: [tenant crate]\n", 4, "rules[0].commands[0]", "did you mean 'tenant create'?"),
        (RULE + '  commands: ["nobody *"]\n', 4, "rules[0].commands[0]", "known are tenant create, "),
        (RULE + "  channels: ['#ops']\n", 4, "rules[0].channels[0]", "is no channel id"),
        (RULE + "  subjects: ['']\n", 4, "rules[0].subjects[0]", "is too short"),
        (RULE + "  rolse: [admin]\n", 4, "rules[0].rolse", "is not known: did you mean roles?"),
        (RULE + "  colour: red\n", 4, "rules[0].colour", "is not known: known are name, commands"),
        (RULE + "  effect: deny\n", 4, "rules[0].effect", "stands here again, after line 3"),
        (RULE + "  approvals: {count: 2}\n", 2, "rules[0]", "approvals belong to effect: approve"),
        (RULE + "  reason: because\n", 2, "rules[0]", "a reason belongs to effect: deny"),
        ("rules:\n- name: a\n  effect: deny\n", 2, "rules[0]", "a rule that denies needs a reason"),
        ("rules:\n- {name: a, effect: allow}\n- {name: a, effect: allow}\n", 1, "rules", "two rules are called 'a'"),
        (APPROVE + "    cuont: 2\n", 5, "rules[0].approvals.cuont", "did you mean count?"),
        (APPROVE + "    count: 0\n", 5, "rules[0].approvals.count", "'0' is too small: 1 at least"),
        (APPROVE + "    count: 99\n", 5, "rules[0].approvals.count", "'99' is too large: 10 at most"),
        (APPROVE + "    roles: []\n", 5, "rules[0].approvals.roles", "too few entries: 1 at least"),
        (APPROVE + "    expires_after_h: 1:30\n", 5, "rules[0].approvals.expires_after_h", "'1:30' is no number"),
        (APPROVE + "    expires_after_h: nan\n", 5, "rules[0].approvals.expires_after_h", "'nan' is no number"),
        (APPROVE + "    expires_after_h: 1000\n", 5, "rules[0].approvals.expires_after_h", "too large: 720"),
        (APPROVE + "    reason_required: maybe\n", 5, "rules[0].approvals.reason_required", "neither true nor false"),
        ("groups: {sre: [dana]}\n" + RULE, 1, "groups.sre[0]", "'dana' is nobody's id"),
        ("groups: {admin: [U0SRE]}\n" + RULE, 1, "groups.admin.[key]", "'admin' is a role already"),
        ("groups: {S_R: [U0SRE]}\n" + RULE, 1, "groups.S_R.[key]", "'S_R' is no group's name"),
        (DENY + "  reason: ' '\n", 2, "rules[0]", "a rule that denies needs a reason"),
        (DENY + "  reason: no\n  say_why: true\n", 2, "rules[0]", "say_why belongs to effect: allow or approve"),
        (
            APPROVE + "    escalate_after_h: 2\n    escalate_to: ['os:root']\n",
            4,
            "rules[0].approvals",
            "of Slack can be",
        ),
        ("groups: {sre: []}\n" + RULE, 1, "groups.sre", "an empty list"),
        ("groups:\n  sre: [U0SRE]\n" + RULE + "  roles: [srr]\n", 6, "rules[0].roles[0]", "'admin' or 'sre'"),
        (RULE + "  times: [{days: [friday]}]\n", 4, "rules[0].times[0].days[0]", "write 'mon'"),
        (RULE + "  times:\n  - {form: 2026-01-01}\n", 5, "rules[0].times[0].form", "did you mean from?"),
        (RULE + "  times: [{days: [mon], timezone: Mars}]\n", 4, "rules[0].times[0].timezone", "is no time zone"),
        (RULE + "  gpus_over: -1\n", 4, "rules[0].gpus_over", "too small: 0 at least"),
        (RULE + "  break_glass: [admin]\n", 2, "rules[0]", "break_glass belongs to effect: approve or deny"),
        (APPROVE + "    also: [{roles: [boss]}]\n", 5, "rules[0].approvals.also[0].roles[0]", "'boss' is wrong"),
        (APPROVE + "    also: [{roles: [admin], cuont: 2}]\n", 5, "rules[0].approvals.also[0].cuont", "mean count?"),
        (APPROVE + "    remind_after_h: 24\n", 4, "rules[0].approvals", "must come before expires_after_h"),
        (APPROVE + "    escalate_after_h: 2\n", 4, "rules[0].approvals", "go together"),
        (RULE + "extra: 1\n", 4, "extra", "is not known: known are version, groups, rules"),
        (RULE + "---\nrules: []\n", 5, "", "a second document: keep one of them"),
        ("rules:\n- name: 'a\n", 3, "", "not YAML: found unexpected end of stream"),
        ("rules:\n- name: \x07\n", 2, "", "not YAML: the character #x0007 is not allowed"),
        ("rules:\n? [a, b]\n: 1\n", 2, "", "not YAML: found unhashable key"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, line: int, path: str, said: str) -> None:
    """The line, the field's path, and what to write instead; one mistake is one problem."""
    with pytest.raises(PolicyError) as caught:
        load(text)
    (problem,) = caught.value.problems
    assert (problem.line, problem.path) == (line, path)
    assert said in problem.what
    assert str(problem) in str(caught.value)


def test_several_mistakes_are_said_at_once() -> None:
    """Ten at most: nobody reads more."""
    rules = "".join(f"- {{name: r{number}, effect: allow, risks: [wild]}}\n" for number in range(30))
    with pytest.raises(PolicyError) as caught:
        load(f"rules:\n{rules}")
    assert [problem.line for problem in caught.value.problems] == list(range(2, 13))
    assert str(caught.value.problems[-1]) == "line 12: and 20 more mistakes: mend these first"


_BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (_BOMB, "line 2: aliases (*name) are refused"),
        ("rules: &r\n- *r\n", "line 2: aliases"),
        ("a: &a {name: x}\nrules:\n- <<: *a\n", "line 3: aliases"),
        ("rules: !!python/object/apply:os.system [id]\n", "line 1: tags (!name) are refused"),
        ("version: !!int 1\n" + RULE, "line 1: tags"),
        ("[" * 60_000, "nested too deep"),
        ("{a: " * 30_000, "nested too deep"),
        ("- " * 60_000, "nested too deep"),
        ("x" * (MAX_TEXT + 1), f"at most {MAX_TEXT} are read"),
        ("versio: " + "1" * (MAX_TEXT - 20), "did you mean version?"),
        ("rules: [" + "[]," * 40_000 + "]", "must be a mapping"),
    ],
)
def test_bombs_are_refused_quickly(text: str, said: str) -> None:
    """Aliases, tags, depth and size: each is refused within seconds of work, without building what it stands for."""
    begun = time.process_time()
    with pytest.raises(PolicyError) as caught:
        load(text)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 4000
    assert time.process_time() - begun < 10


def test_there_is_a_limit_to_rules() -> None:
    many = "".join(f"- {{name: r{number}, effect: allow}}\n" for number in range(MOST_RULES + 1))
    with pytest.raises(PolicyError, match="501 rules: a policy has 1 to 500"):
        load(f"rules:\n{many}")


@given(st.text(max_size=300) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_whatever_the_text_it_is_a_policy_or_a_policy_error(text: str) -> None:
    """No other exception leaves the loader, and each problem has a line of the text."""
    problems = _problems(text)
    assert all(1 <= problem.line <= len(text) + 1 for problem in problems)


def _problems(text: str) -> tuple[Problem, ...]:
    try:
        load(text)
    except PolicyError as error:
        return error.problems
    return ()


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _without_aliases(document: object) -> str:
    return yaml.dump(document, Dumper=_Dumper)


_SUBJECTS = st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=9), min_size=1)
_RULE = st.fixed_dictionaries(
    {"effect": st.sampled_from(["allow", "approve"])},
    optional={
        "commands": st.lists(st.sampled_from(["tenant create", "job *", "*"]), min_size=1),
        "risks": st.sets(st.sampled_from([risk.value for risk in Risk]), min_size=1).map(sorted),
        "roles": st.sets(st.sampled_from(["viewer", "operator", "approver", "admin"]), min_size=1).map(sorted),
        "subjects": _SUBJECTS,
    },
)


@given(st.lists(_RULE, min_size=1, max_size=5))
def test_what_is_written_out_is_read_back(rules: list[dict[str, object]]) -> None:
    """A policy that a tool writes with any YAML library is the policy that is read."""
    named = [{"name": f"r{number}", **rule} for number, rule in enumerate(rules)]
    text = _without_aliases({"version": 1, "rules": named})
    assert load(text) == Policy.model_validate({"rules": named})


def test_the_json_schema_takes_what_the_loader_takes() -> None:
    """For editors: the default policy and one with every field pass it; a misspelt key does not."""
    schema = json_schema()
    whole = {
        "version": 1,
        "groups": {"sre": ["U0SRE"]},
        "rules": [
            {
                "name": "a",
                "times": [{"days": ["mon"], "hours": "09:00-17:00", "timezone": "UTC"}, {"from": "2026-01-01"}],
                "gpus_over": 8,
                "effect": "approve",
                "break_glass": ["admin"],
                "approvals": {"roles": ["sre"], "also": [{"roles": ["admin"], "count": 1}], "remind_after_h": 1},
            }
        ],
    }
    jsonschema.validate(yaml.safe_load(default_text()), schema)
    jsonschema.validate(whole, schema)
    assert load(_without_aliases(whole)).groups == {"sre": ("U0SRE",)}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(whole | {"rulse": []}, schema)
