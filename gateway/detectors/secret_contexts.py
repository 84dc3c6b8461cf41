"""Formats of secrets that no provider marks: known by their frame, or by what stands before them.

What is known by its surroundings alone has a named group, which is the finding, and a check that
keeps words, names and placeholders out.
"""

from __future__ import annotations

from gateway.detectors.secret_formats import ASSIGNED, Format

_B64 = r"[A-Za-z0-9+/]"
_URL = r"[A-Za-z0-9_\-]"
_BREAK = r"(?:\s|\\[nrt]|\\\\[nr]|[\"']\s{0,4}[+\\]?\s{0,4}\n\s{0,40}[\"'])"
"""Between the lines of a key: also as escapes, and as the ends of string literals."""

_TO = r"\s{0,4}(?::=|=>|={1,3}|:)\s{0,4}"
_QUOTED = r"(?:\"(?P<secret>[^\s\"]{6,128})\"|'(?P<other>[^\s']{6,128})')"

SURROUNDED: tuple[Format, ...] = (
    # --- by their frame ---
    Format(
        "ENCODED_PRIVATE_KEY",
        "a private key in base64",
        rf"\bLS0tLS1CRUdJTi{_B64}{{60,6000}}={{0,2}}",
    ),
    Format(
        "PRIVATE_KEY",
        "a private key",
        r"-----BEGIN[ A-Z0-9]{0,40}PRIVATE KEY(?: BLOCK)?-----"
        rf"(?:{_BREAK}*(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset):[^\n\\]{{1,100}})*"
        rf"(?:{_BREAK}*[A-Za-z0-9+/=_\-]{{16,4096}})+"
        rf"(?:{_BREAK}*[A-Za-z0-9+/=.]{{0,80}}{_BREAK}*-----END[ A-Z0-9]{{1,60}}-----)?",
    ),
    Format(
        "PUTTY_KEY",
        "a PuTTY private key",
        r"PuTTY-User-Key-File-\d: [\w\-]{3,20}[\s\S]{0,3000}?Private-MAC: [0-9a-f]{40,64}",
    ),
    Format(
        "WIREGUARD_KEY",
        "a WireGuard key",
        rf"\b(?:PrivateKey|PresharedKey)\s{{0,3}}=\s{{0,3}}(?P<secret>{_B64}{{43}}=)",
    ),
    Format(
        "JWT",
        "a signed token (JWT)",
        rf"\bey(?:J|I|A){_URL}{{8,1000}}\.ey{_URL}{{8,2000}}(?:\.{_URL}{{10,1000}})?",
        "jwt",
    ),
    Format(
        "PASSWORD_HASH",
        "a password's hash",
        r"(?<![\w$])\$(?:2[abxy]\$\d\d\$[./A-Za-z0-9]{53}"
        r"|(?:1|5|6|8|9|apr1)\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{22,86}"
        r"|(?:y|7|gy)\$[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}"
        r"|argon2(?:id|i|d)\$[\w=,$+/]{30,200}"
        r"|krb5(?:asrep|tgs|pa)\$\d\d?\$[^\s\"']{40,1000})",
    ),
    # --- by what stands before them ---
    Format(
        "URL_PASSWORD",
        "a password in a URL",
        r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s:/@\"'<>`]{0,64}:(?P<secret>[^\s@/\"'<>`]{3,128})@[\w\[]",
        "password",
    ),
    Format(
        "CONNECTION_PASSWORD",
        "a password in a connection string",
        r"(?i:\b(?:server|data source|host|endpoint|user id|uid|user|username)"
        r"\s{0,2}=[^\n\"']{1,200};\s{0,2}(?:password|pwd))\s{0,2}=\s{0,2}"
        r"(?P<secret>[^\s;\"'()][^\s;\"']{3,127})",
        "password",
    ),
    Format(
        "AUTHORIZATION_HEADER",
        "credentials in a header",
        r"(?i:\bauthorization)[\"']?\s{0,3}[:=]\s{0,3}[\"']?"
        r"(?:(?i:bearer|basic|token|apikey|api-key|api-token|key|ssws|splunk|genie ?key|pve\w{0,8})"
        r"[ \t=]{1,3})?(?P<secret>[A-Za-z0-9+/_\-.~=@:]{12,1024})",
        "header",
    ),
    Format(
        "COMMAND_PASSWORD",
        "a password in a command or a call",
        r"(?:\s(?:-u|--user|--proxy-user)[ =]{1,2}\s{0,2}[\"']?[^\s:\"'$/]{0,80}[\"']?:[\"']?"
        r"(?P<secret>[^\s\"'$/][^\s\"']{4,127})"
        r"|(?i:\bpsexec)[^\n]{1,120}?\s-p\s{1,2}(?P<given>[^\s\"']{4,64})"
        r"|\bsshpass\s{1,2}-p\s{0,2}[\"']?(?P<passed>[^\s\"']{4,64})"
        r"|\s-(?i:password)\s{1,2}[\"']?(?P<option>[^\s\"'$\-][^\s\"']{4,64})"
        r"|(?:NetworkCredential|DirectoryEntry)\([^\n)]{0,100}?[\"'],\s{0,20}"
        r"[\"'](?P<called>[^\s\"']{6,64})[\"']\)"
        r"|ConvertTo-SecureString\s{1,3}(?:-String\s{1,3})?[\"'](?P<plain>[^\s\"']{6,128})[\"'])",
        "numbered",
    ),
    Format(
        "NETRC_PASSWORD",
        "a password in a netrc file",
        r"\bmachine\s{1,4}[\w.\-]{1,100}\s{1,8}login\s{1,4}\S{1,100}\s{1,8}password\s{1,4}"
        r"[\"']?(?P<secret>[^\s\"']{4,128})",
        "password",
    ),
    Format(
        "ASSIGNED_PASSWORD",
        "a password in an assignment",
        rf"(?i:passw(?:or)?d|passphrase|pwd)[\"'`]?{_TO}{_QUOTED}",
        "chosen",
    ),
    Format(
        "SET_PASSWORD",
        "a password in a setting",
        r"(?:[A-Z]_PASS(?:WORD|WD|PHRASE)?=(?P<bare>[^\s\"'$;&|]{6,128})"
        r"|(?i:passw(?:or)?d)(?:[\"'] value=|\s{0,3}=>\s{0,3}|\s{1,3}(?:is|to)\s{1,3})"
        r"[\"'](?P<secret>[^\s\"']{6,64})[\"'])",
        "numbered",
    ),
    Format(
        "BOOTSTRAP_TOKEN",
        "a Kubernetes bootstrap token",
        r"(?i:token)[ =:\"']{1,4}(?P<secret>[a-z0-9]{6}\.[a-z0-9]{16})(?![\w.])",
        "digits",
    ),
    Format(
        "ASSIGNED_SECRET",
        "a secret in an assignment",
        r"(?i:(?:api|app|auth|access|secret|private|client|encryption|signing|consumer|account"
        r"|service|bot|webhook|refresh|session|master|deploy|license|subscription|integration"
        r"|personal|[a-z0-9]{2,24}[_\-.])[_\-. ]?"
        r"(?:key|token|secret|pass(?:word|wd)?|credential|pat)s?"
        r"|passw(?:or)?d|pwd|secret|token)"
        r"(?i:[_\-]?(?:values?|string|base64|b64|hex|prod|production|dev|staging|live|\d{1,3}))?"
        rf"(?:{ASSIGNED}|[\"']\s{{0,3}},\s{{0,3}}[\"']{{1,2}}|\s{{0,2}}\([\"']|>)"
        r"(?P<secret>[A-Za-z0-9+/_\-.~=!@#$%^&*:]{12,160})",
        "random",
        public=True,
    ),
    Format(
        "NAMED_SECRET",
        "a secret beside its name",
        r"(?:(?:KEY|TOKEN|SECRET|ACCESS|PRIVATE)(?:[ _\-]?(?i:key|token|code))?[ \-_.:=\n\"']{1,4}"
        r"|(?:Key|Token|Secret|(?i:"
        r"\b(?:api|access|auth|secret|private|client|unseal)[ _\-]?(?:key|token|secret|code)s?"
        r"|(?:\b|_)(?:apikey|secret|token|password|pat|access|private))"
        r"|\b(?:sk|api|key|live|test|tok|pat|prod|priv))(?: \d)?[ \-_.:\n]{1,3})"
        r"(?P<secret>[A-Za-z0-9+/_=\-]{20,160})(?![A-Za-z0-9+/_=\-])",
        "random",
        public=True,
    ),
)
"""Formats of no one provider, the surest first."""
