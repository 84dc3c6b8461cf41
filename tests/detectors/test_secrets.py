"""Keys are found by format, placeholders are not, and nothing is found beside them."""

import gzip
import json
import os
import pathlib
import string
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detectors.secrets import DOUBTFUL, ENTITIES, SecretScanner, scanner
from tests.detectors.windows import in_pieces

DATA = pathlib.Path(os.environ.get("PORTCULLIS_TEST_DATA", "../shared/data")) / "dev"
SCANNER = scanner(frozenset(ENTITIES))
LETTERS = "aB3dE5gH7jK9mN1pQ4sT6vW8yZ0"  # varied, and nobody's


def some(count: int) -> str:
    return (LETTERS * 8)[:count]


def hexa(count: int) -> str:
    return ("0f1e2d3c4b5a6978" * 12)[:count]


KEY_BODY = "\n".join(some(64) for _ in range(4))
KNOWN = {
    "AWS_ACCESS_KEY": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_KEY": "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "GITHUB_TOKEN": f"ghp_{some(36)}",
    "GITLAB_TOKEN": f"glpat-{some(20)}",
    "OPENAI_KEY": f"sk-proj-{some(48)}",
    "ANTHROPIC_KEY": f"sk-ant-api03-{some(95)}",
    "GOOGLE_API_KEY": f"AIza{some(35)}",
    "SLACK_TOKEN": f"xoxb-123456789012-123456789012-{some(24)}",
    "STRIPE_KEY": f"sk_live_{some(24)}",
    "NPM_TOKEN": f"npm_{some(36)}",
    "PYPI_TOKEN": f"pypi-AgEIcHlwaS5vcmc{some(70)}",
    "HUGGINGFACE_TOKEN": f"hf_{some(34)}",
    "AZURE_STORAGE_KEY": f"AccountKey={some(86)}==;",
    "PRIVATE_KEY": f"-----BEGIN RSA PRIVATE KEY-----\n{KEY_BODY}\n-----END RSA PRIVATE KEY-----",
    "JWT": f"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{some(43)}",
    "URL_PASSWORD": "postgres://app:t0p5ecr3tPw@db.internal:5432/x",
    "TWILIO_KEY": f"SK{hexa(32)}",
    "SENDGRID_KEY": f"SG.{some(22)}.{some(43)}",
    "DIGITALOCEAN_TOKEN": f"dop_v1_{hexa(64)}",
    "DATABRICKS_TOKEN": f"dapi{hexa(32)}",
    "TELEGRAM_TOKEN": f"123456789:AA{some(33)}",
    "DISCORD_TOKEN": f"M{some(23)}.{some(6)}.{some(27)}",
    "SHOPIFY_TOKEN": f"shpat_{hexa(32)}",
    "AUTHORIZATION_HEADER": f"Authorization: Bearer {some(40)}",
    "COMMAND_PASSWORD": "curl -s -u elastic:P4ssw0rd$1 https://localhost:9200",
    "NETRC_PASSWORD": "machine api.example.org login app password 7cc938e45e63",
    "CONNECTION_PASSWORD": "User Id=app;Password=gets0m3;Database=b2b;",
    "SET_PASSWORD": "DB_PASSWORD=Sup3rS3cret!",
    "PASSWORD_HASH": "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW",
    "WIREGUARD_KEY": f"PresharedKey = {some(43)}=",
    "BOOTSTRAP_TOKEN": "--tls-bootstrap-token abc12f.1234567890abcdef",
    "NAMED_SECRET": f"browshot key: BROWSHOT_KEY {some(32)}",
    "ASSIGNED_PASSWORD": 'password: "s3cr3t-Pa55"',
    "ASSIGNED_SECRET": f"export API_KEY={some(32)}",
}


@pytest.mark.parametrize("entity", KNOWN)
def test_well_known_formats_are_found(entity):
    found = SCANNER.find(f"Here it is: {KNOWN[entity]} and so on.")
    assert [finding.entity for finding in found] == [entity]


def test_only_what_is_secret_is_the_finding():
    text = "DATABASE_URL=postgres://app:t0p5ecr3tPw@db.internal:5432/x"
    (finding,) = SCANNER.find(text)
    assert text[finding.start : finding.end] == "t0p5ecr3tPw"


def test_a_private_key_is_found_as_a_whole_in_json_too():
    key = KNOWN["PRIVATE_KEY"]
    for text in (key, json.dumps({"key": key}), key.replace("\n", "\r\n")):
        (finding,) = SCANNER.find(text)
        assert "END RSA" in text[finding.start : finding.end]


@pytest.mark.parametrize(
    "text",
    [
        "AKIAXXXXXXXXXXXXXXXX",
        "api_key = YOUR_API_KEY_GOES_HERE_123",
        "password: ${DB_PASSWORD}",
        '{"password": {"type": "string"}}',
        "postgres://user:password@localhost/db",
        "postgres://user:<password>@host/db",
        "token = os.environ['TOKEN_NAME_1234567']",
        "-----BEGIN PRIVATE KEY-----",
        "The secret of a good password is its length.",
        "commit 4f3e2d1c0b9a8f7e6d5c4b3a29181706f5e4d3c2",
        "sk-" + "a" * 40,
        "eyJub3QiOiJhIHRva2VuIn0.eyJhIjoxfQ.abcdefghijklmn",
        '"id": "toolu_01A09q90qw90lq917835lq9", "call": "call_pXk3vN8sQz1LmT5w"',
        "resp_67ccd2bed1ec8190b14f964abc054267 chatcmpl-9xKp2LmQ7vTn4RsW8yZb3CdF",
        "request 123e4567-e89b-12d3-a456-426614174000, trace 0af7651916cd43dd8448eb211c80319c",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        '"integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwv"',
        'ETag: W/"33a64df551425fcc55e4d42a148795d9f25f89d4"',
        "main.4f3e2d1c0b9a8f7e6d5c.js?v=1718031234567",
        "def test_token_of_sha256_and_base64url_in_utf8mb4_tables(): ...",
        "access: read-write, secret-scanning-alerts-v2.1, token-bucket-2024-06-01",
        "api_v2_users_list_all_things_2024_11",
        "docker run -u 1000:1000 -v /tmp:/data1 --user app:app image",
        'const password = document.querySelector("#password1");',
        'this.passwordLabel = "#add-password1"; href: "/forgot-password2"',
        "io.jsonwebtoken:jjwt-jackson-0.11.2",
        "token: com.apple.xpc.activity/4505",
        'api_key = os.environ["MY_SERVICE_KEY_1"]',
        "api_key: process.env.SERVICE_KEY_12345",
        'client_secret = config.get("oauth2.client_secret_v1")',
    ],
)
def test_placeholders_and_plain_texts_pass(text):
    assert SCANNER.find(text) == ()


BITS = st.sampled_from(
    [*KNOWN.values(), 'public_key = "', "csrf", " ", "\n", "key: ", '"', "x", "é", "-----"]
)


@given(st.lists(BITS, max_size=6).map("".join), st.lists(st.integers(0, 300), max_size=6))
@settings(max_examples=200, deadline=None)
def test_a_text_in_pieces_gives_what_the_whole_one_gives(text, cuts):
    assert in_pieces(SCANNER, text, cuts) == list(SCANNER.find(text))


def test_some_formats_only():
    only = SecretScanner(["AWS_ACCESS_KEY"])
    assert only.find(KNOWN["GITHUB_TOKEN"]) == ()
    assert only.find(KNOWN["AWS_ACCESS_KEY"])
    assert only.version != SCANNER.version
    with pytest.raises(KeyError):
        SecretScanner(["NO_SUCH"])


def test_a_key_whose_checksum_fails_is_found_with_a_lower_score():
    body = some(30)
    value, suffix = zlib.crc32(body.encode()), ""
    while value:
        value, place = divmod(value, 62)
        suffix = (string.digits + string.ascii_uppercase + string.ascii_lowercase)[place] + suffix
    right, wrong = f"ghp_{body}{suffix:0>6}", KNOWN["GITHUB_TOKEN"]
    assert [finding.score for finding in SCANNER.find(f"{right} {wrong}")] == [1.0, DOUBTFUL]
    strict = scanner(frozenset(ENTITIES), strict=True)
    (finding,) = strict.find(f"{wrong} {right}")
    assert finding.start == len(wrong) + 1
    assert strict.version != SCANNER.version


@pytest.mark.parametrize(
    "name",
    ["public_key", "csrf-token", "nextPageToken", "next_page_token", "bucket_key", "cacheKey"],
)
def test_a_name_that_says_so_makes_a_value_public(name):
    assert SCANNER.find(f'"{name}": "{some(32)}"') == ()


@pytest.mark.parametrize("name", ["bitbucket_secret", "statuspage_token", "throw_api_key"])
def test_a_name_that_only_contains_such_a_word_does_not(name):
    found = SCANNER.find(f'"{name}": "{some(32)}"')
    assert len(found) == 1


@pytest.mark.skipif(not DATA.exists(), reason="no shared data here")
def test_ordinary_texts_have_no_secrets():
    hits = texts = 0
    for name in ("benign_taubench", "benign_chat_prompts", "benign_toolbench", "benign_tldr"):
        with gzip.open(DATA / f"{name}.jsonl.gz", "rt") as lines:
            for line in lines:
                texts += 1
                hits += bool(SCANNER.find(json.loads(line)["text"]))
    assert hits <= texts * 0.001
