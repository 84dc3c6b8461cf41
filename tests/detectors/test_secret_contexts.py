"""What stands before a value makes it a secret, in code, settings, commands and headers."""

import pytest

from gateway.detectors.secrets import ENTITIES, scanner

SCANNER = scanner(frozenset(ENTITIES))
VALUE = "aB3dE5gH7jK9mN1pQ4sT6vW8yZ0aB3dE"
UUID = "7f9c24e8-3b12-4fef-91e0-5a2dd8f0b3c1"


@pytest.mark.parametrize(
    "text",
    [
        f"api_key={VALUE}",
        f'"apiKey": "{VALUE}"',
        f"  secret_key => '{VALUE}',",
        f"clientSecret := `{VALUE}`",
        f"export SERVICE_TOKEN='{VALUE}'",
        f"config.service.key = '{VALUE}'",
        f"buildConfigField 'String' , 'API_KEY' , '\"{VALUE}\"'",
        f"<apiKey>{VALUE}</apiKey>",
        f'client.setApiKey("{VALUE}")',
        f"SERVICE_SECRET_VALUE = '{VALUE}'",
        f"serviceTOKEN={VALUE}",
        f"service-secret-key-{VALUE}",
        f"service TOKEN {VALUE}",
        f"their access key: {VALUE}",
        f"live_{VALUE}",
        f"X-Api-Key: {VALUE}",
        f"api_key = {UUID}",
        f"service secret {UUID}",
        f"Authorization: ApiKey {VALUE}",
        f"authorization: {VALUE}",
        f"Unseal Key 2: {VALUE}",
    ],
)
def test_a_random_value_beside_a_secrets_name_is_found(text: str) -> None:
    value = UUID if UUID in text else VALUE
    found = [text[finding.start : finding.end] for finding in SCANNER.find(text)]
    assert len(found) == 1
    assert value in found[0]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Basic YWxhZGRpbjpvcGVu", "YWxhZGRpbjpvcGVu"),
        ("curl --user 'app:h0pk1ns~21s' https://x.example", "h0pk1ns~21s"),
        ("psexec \\\\host -u app -p Braksh4! cmd", "Braksh4!"),
        ("sshpass -p 'Pa55word!' ssh host", "Pa55word!"),
        ("Connect-VIServer -User app -Password VMware1!", "VMware1!"),
        ('new NetworkCredential("app@example.org", "vzihla7uknriq")', "vzihla7uknriq"),
        ('ConvertTo-SecureString "6AAcfcdFBB" -AsPlainText', "6AAcfcdFBB"),
        ("machine x.example\n  login app\n  password pa5sw1se\n", "pa5sw1se"),
        ('<add key="MailPassword" value="Prestig1tariu$"/>', "Prestig1tariu$"),
        ("The password is 'Blooberry123'", "Blooberry123"),
        ("DB_PASSWORD=Sup3rS3cret!\n", "Sup3rS3cret!"),
        ("Server=db;User Id=app;Password=gets0m3;Database=x", "gets0m3"),
    ],
)
def test_a_password_in_its_place_is_found_alone(text: str, secret: str) -> None:
    assert [text[finding.start : finding.end] for finding in SCANNER.find(text)] == [secret]


@pytest.mark.parametrize(
    "text",
    [
        "$1$28772684$iEwNOgGugqO9.bIz5sk8k/",
        "$5$rounds=5000$GX7BopJZJxPc/KEK$le16UF8I2Anb.rOrn22AUPWvzUETDGefUmAV8AZkGcD",
        "$argon2id$v=19$m=65536,t=2,p=1$gZiV/M1gPc22ElAH/Jh1Hw$CWOrkoo7oJBQ/iyh7uJ0LO2aLEfrHwTWllSAxT0zRno",
    ],
)
def test_hashes_of_passwords_are_found(text: str) -> None:
    assert [finding.entity for finding in SCANNER.find(f"app:{text}:0:0")] == ["PASSWORD_HASH"]


def test_a_private_key_in_pieces_of_a_program_is_found_as_one() -> None:
    kind, line = "RSA PRIVATE KEY", (VALUE * 2)[:60]
    lines = [f"-----BEGIN {kind}-----", line, line, f"-----END {kind}-----"]
    text = '" +\n  "'.join(lines)
    (finding,) = SCANNER.find(text)
    assert finding.entity == "PRIVATE_KEY"
    assert text[finding.start : finding.end].endswith("-----END RSA PRIVATE KEY-----")
