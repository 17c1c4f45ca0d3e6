"""The redactor hides every secret it knows and every shape of one, and leaves ordinary text alone."""

import base64
import json
import logging
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot import logs
from provisioning.redact import HIDDEN, MOST_LEARNT, Redactor

CANARY = "k4nary-9f8e7d6c5b4a"


@pytest.mark.parametrize(
    "text",
    [
        "token xoxb-1234567890-abcdefghij is bad",
        "xapp-1-A0123-456-abcdef",
        "Authorization: Bearer abc.def-ghi_jkl",
        "authorization: basic a2V5OnNlY3JldA==",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        f"password: {CANARY}",
        f"--password {CANARY}",
        f"--registry-token={CANARY}",
        f'{{"secret_key": "{CANARY}"}}',
        f"agentk8sglueSecret: {CANARY}",
        f"CLEARML_AGENT_REDIS_PASSWORD={CANARY}",
        f"https://user:{CANARY}@registry.example/charts",
        f"client_secret = '{CANARY}'",
        f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
        f"-----BEGIN PRIVATE KEY-----\n{CANARY}",
    ],
)
def test_shapes_of_secrets_vanish(text: str) -> None:
    """Nothing that looks like a secret is left, whoever's it is."""
    clean = Redactor()(text)
    assert HIDDEN in clean
    for secret in (CANARY, "xoxb-1234567890", "xapp-1-A0123", "abc.def", "a2V5OnNlY3JldA", "c2lnbmF0dXJl"):
        assert secret not in clean


@pytest.mark.parametrize(
    "text",
    [
        "Job 41 by @ana: tenant create acme --admin-email ana@acme.example --ports",
        "digest 8a53dd3175bce420723507551193fa54b3d686596d154e6a4b94cf42304e93cf",
        "ports 31010-31020 of Secret clearml-agent-credentials",
        "the token is refused: check CLEARML_CHATOPS_CLEARML__SECRET_KEY",
        "https://api.example.com/auth.create_credentials",
        "Write the agent's credentials into Secret clearml-agent-credentials",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    """Digests, numbers, names and addresses are what people need to read."""
    assert Redactor()(text) == text


def test_known_secrets_vanish_wherever_they_stand() -> None:
    """Also inside words, keys and nested JSON; the longer of two goes whole."""
    redact = Redactor([SecretStr(CANARY), None, "abc"])
    redact.add(f"{CANARY}-and-more")
    assert redact(f"x{CANARY}y {CANARY}-and-more abc") == f"x{HIDDEN}y {HIDDEN} abc"
    assert redact.scrub({"a": [f"<{CANARY}>", 1, None], CANARY: True}) == {"a": [f"<{HIDDEN}>", 1, None], HIDDEN: True}


@given(st.text(max_size=200))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    redact = Redactor([CANARY])
    once = redact(f"{text} password: {CANARY}")
    assert CANARY not in once
    assert redact(once) == once


AWKWARD = 'p/w+0rd "ü" & 100%\\'  # every encoding writes this one differently


def _base64(text: str, altchars: bytes = b"+/") -> str:
    return base64.b64encode(text.encode(), altchars).decode()


@pytest.mark.parametrize("secret", [CANARY, AWKWARD])
@pytest.mark.parametrize(
    "written",
    [
        lambda secret: f"helm said: {secret}",
        lambda secret: json.dumps({"values": {"a": secret}}),
        lambda secret: json.dumps({"values": {"a": secret}}, ensure_ascii=False),
        lambda secret: json.dumps(json.dumps({"a": f"x{secret}"})) if secret.isalnum() else json.dumps(secret),
        lambda secret: f"GET https://x.example/?next={quote(secret, safe='')}&x=1: 403",
        lambda secret: f"GET https://x.example/{quote(secret)}: 404",
        lambda secret: repr(ValueError(secret)),
        _base64,
        lambda secret: _base64(f"user:{secret}"),
        lambda secret: _base64(f"{{a:{secret}}}"),
        lambda secret: _base64(f"ab{secret}tail", b"-_"),
        lambda secret: f"text: {secret[:9]}\n    {secret[9:]}",
        lambda secret: f"text: {secret[:5]}\\n{secret[5:9]}\r\n{secret[9:]}",
        lambda secret: "\n".join(_base64(f"key={secret}")[start : start + 8] for start in range(0, 80, 8)),
    ],
)
def test_a_known_secret_is_found_however_it_is_written(secret: str, written: "object") -> None:
    """Encoded, quoted, inside something encoded, broken over lines: no ten characters in a row are left."""
    assert callable(written)
    text = str(written(secret))
    clean = Redactor([secret])(text)
    assert HIDDEN in clean
    joined = clean.replace("\\n", "").replace("\r\n", "").replace("\n    ", "").replace("\n", "")
    for form in (secret, json.dumps(secret)[1:-1], quote(secret, safe="")):
        assert not any(form[start : start + 10] in joined for start in range(len(form) - 9))
    for before in ("", "user:", "{a:", "ab", "key="):
        encoded = _base64(f"{before}{secret}")[8:20]
        assert encoded not in joined
        assert encoded.replace("+", "-").replace("/", "_") not in joined


def test_what_stands_around_a_broken_secret_stays() -> None:
    text = f"first line\n  before {CANARY[:4]}\n{CANARY[4:]} after\nlast line"
    assert Redactor([CANARY])(text) == f"first line\n  before {HIDDEN} after\nlast line"


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_secret_in_an_exception_stays_out_of_the_log(form: "object", capsys: pytest.CaptureFixture[str]) -> None:
    """In its message, its cause and the source line that the traceback quotes."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.set_up(Redactor([CANARY]), "json" if form == "json" else "text")
    try:
        try:
            _fail()
        except RuntimeError:
            logging.getLogger("bot.test").exception("it failed with %s", {"secret": CANARY})
    finally:
        root.handlers[:], root.level = handlers, level
    said = capsys.readouterr().err
    assert "RuntimeError" in said
    assert HIDDEN in said
    assert CANARY not in said
    at = json.loads(said)["at"] if form == "json" else said.split()[0]
    assert datetime.fromisoformat(at).utcoffset() == timedelta(0), "a log line's time names its zone"


def _fail() -> None:
    try:
        int(CANARY)
    except ValueError as error:
        raise RuntimeError(f"asking https://u:{CANARY}@x.example/?a={CANARY}") from error


def test_secrets_made_at_run_time_are_learnt_and_the_oldest_forgotten() -> None:
    """What the settings hold is never forgotten."""
    redact = Redactor([CANARY])
    made = [f"m4de-{number:04d}-abcdef" for number in range(MOST_LEARNT + 1)]
    for secret in made:
        redact.learn(secret)
    assert redact(f"{CANARY} {made[-1]} {made[1]}") == " ".join([HIDDEN] * 3)
    assert redact(made[0]) == made[0]


@pytest.mark.parametrize("written", [json.dumps, repr, lambda secret: json.dumps(secret, ensure_ascii=False)])
def test_a_quoted_secret_goes_from_its_first_letter_to_its_last(written: "object") -> None:
    """Also where quoting writes both of them with more than one."""
    assert callable(written)
    secret = "\"\\p/w 'ü'\n\""
    text = str(written(secret))
    clean = f"{text[0]}{HIDDEN}{text[-1]}"
    assert Redactor([secret])(f"said {text} twice {text}") == f"said {clean} twice {clean}"


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
@pytest.mark.parametrize("after", ["", "z", "yz"])
def test_of_base64_all_that_the_secret_alone_decides_goes(before: str, after: str) -> None:
    """The letters that it shares with its neighbours stay, and are no more than two."""
    encoded = _base64(f"{before}{CANARY}{after}")
    clean = Redactor([CANARY])(encoded)
    first, last = -(-8 * len(before) // 6), 8 * (len(before) + len(CANARY)) // 6
    assert clean == f"{encoded[:first]}{HIDDEN}{encoded[last:]}"


def test_short_secrets_are_found_where_they_are_no_ordinary_word() -> None:
    """Six letters are a secret, five are not; also in base64, where they are eight."""
    redact = Redactor(["q7Zp2x", "q7Zp2"])
    assert redact(f"q7Zp2x {_base64('q7Zp2x')} q7Zp2") == f"{HIDDEN} {HIDDEN} q7Zp2"


def test_several_broken_secrets_go_and_what_is_between_them_stays() -> None:
    """In whichever order they stand, and where the text begins or ends with one."""
    other = "0ther-c4nary-1234"
    text = f"{CANARY[:4]}\n{CANARY[4:]} then {other[:6]}\n  {other[6:]} then {CANARY[:9]}\n{CANARY[9:]}"
    assert Redactor([CANARY, other])(text) == f"{HIDDEN} then {HIDDEN} then {HIDDEN}"


def test_broken_secrets_that_overlap_go_whole() -> None:
    """One inside another, one that begins where another has not ended, one that repeats itself."""
    redact = Redactor(["abcdef", "abcdefghij", "hijklmno"])
    assert redact("x abc\ndefghijkl\nmno y") == f"x {HIDDEN} y"
    assert redact("x abcd\nefabcd\nef y") == f"x {HIDDEN}{HIDDEN} y"
    assert Redactor(["aXaXaXa"])("x aXaX\naXaXa y") == f"x {HIDDEN} y"


def test_of_a_shape_only_the_secret_goes() -> None:
    """People read on which setting or address it stood; a key's own letters are the secret as a whole."""
    redact = Redactor()
    assert redact("password: hunter22 at 9") == f"password: {HIDDEN} at 9"
    assert redact("https://ana:hunter22@x.example/a") == f"https://ana:{HIDDEN}@x.example/a"
    assert redact("got xoxb-1234567890 here") == f"got {HIDDEN} here"
    assert redact("its password is with the admin") == "its password is with the admin"
    assert redact("password: from the vault, token: hunter22") == f"password: from the vault, token: {HIDDEN}"
