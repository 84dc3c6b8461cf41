"""Well-known formats of keys, tokens and passwords: a table of our own.

A format that a provider marks with a prefix of its own is taken at its word. One that is known
only by its surroundings (an assignment, a URL) has a named group `secret`, which alone is the
finding, and a check that keeps placeholders out. Lengths are those that the providers document
or that their issued keys have; where they vary, a range.
"""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """`check`: the name of a function of CHECKS in secrets.py."""

    entity: str
    name: str  # what it is called in a message to a person
    regex: str
    check: str = "varied"


_B64 = r"[A-Za-z0-9+/]"
_URL = r"[A-Za-z0-9_\-]"
_HEX = r"[0-9a-f]"
_AN = r"[A-Za-z0-9]"
_END = r"(?![A-Za-z0-9_\-])"
_IS = r"[\"'`\]]{0,2}\s{0,4}(?::=|=>|={1,3}|:)\s{0,4}[\"'`(\[]{0,2}"  # what stands in assignments
_BREAK = r"(?:\s|\\[nrt]|\\\\[nr])"

FORMATS: tuple[Format, ...] = (
    # --- clouds ---
    Format(
        "AWS_ACCESS_KEY",
        "an AWS access key",
        r"\b(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}\b",
    ),
    Format(
        "AWS_SECRET_KEY",
        "an AWS secret key",
        r"(?i:\baws_?|\bamazon_?|\bsecret|\bs3_?)[\w\-. ]{0,24}(?i:key|secret)"
        + _IS
        + rf"(?P<secret>{_B64}{{40}})(?![A-Za-z0-9+/=])",
    ),
    Format("AWS_BEDROCK_KEY", "an AWS Bedrock key", rf"\bABSK{_B64}{{100,270}}={{0,2}}"),
    Format("GOOGLE_API_KEY", "a Google API key", rf"\bAIza{_URL}{{35}}{_END}"),
    Format("GOOGLE_OAUTH_TOKEN", "a Google OAuth token", r"\bya29\.[\w\-.]{20,1024}"),
    Format("GOOGLE_OAUTH_SECRET", "a Google OAuth secret", rf"\bGOCSPX-{_URL}{{28}}{_END}"),
    Format(
        "AZURE_STORAGE_KEY",
        "an Azure storage key",
        rf"(?i:AccountKey|account_key|storage[_\-. ]?key){_IS}(?P<secret>{_B64}{{86}}==)",
    ),
    Format(
        "AZURE_SHARED_KEY",
        "an Azure shared access key",
        rf"(?i:SharedAccessKey)\s{{0,3}}=\s{{0,3}}(?P<secret>{_B64}{{43}}=)",
    ),
    Format(
        "AZURE_SAS_TOKEN",
        "an Azure shared access signature",
        r"[?&](?:sv|se|sp)=[\w\-.:%&=]{10,300}&sig=(?P<secret>[A-Za-z0-9%+/=]{40,100})",
    ),
    Format(
        "AZURE_CLIENT_SECRET",
        "an Azure client secret",
        r"(?<![\w~.\-])[\w~.]{3}\dQ~[\w~.\-]{31,34}(?![\w~.\-])",
    ),
    Format(
        "ALIBABA_ACCESS_KEY", "an Alibaba Cloud access key", rf"\bLTAI{_AN}{{12,20}}\b", "varied"
    ),
    Format("TENCENT_SECRET_ID", "a Tencent Cloud secret id", rf"\bAKID{_AN}{{32}}\b"),
    Format("DIGITALOCEAN_TOKEN", "a DigitalOcean token", rf"\bdo[opr]_v1_{_HEX}{{64}}\b"),
    Format(
        "CLOUDFLARE_ORIGIN_KEY", "a Cloudflare origin key", rf"\bv1\.0-{_HEX}{{24}}-{_HEX}{{146}}\b"
    ),
    Format(
        "FLYIO_TOKEN",
        "a Fly.io token",
        r"\b(?:fo1_[\w\-]{43}|fm[12][ar]?_[A-Za-z0-9+/]{100,800}={0,3})",
    ),
    Format("HEROKU_KEY", "a Heroku key", r"\bHRKU-[0-9a-fA-F-]{36}\b|\bHRKU-AA[\w\-]{58}"),
    Format("DATABRICKS_TOKEN", "a Databricks token", rf"\bdapi{_HEX}{{32}}(?:-\d)?\b"),
    Format(
        "PLANETSCALE_TOKEN", "a PlanetScale token", r"\bpscale_(?:tkn|pw|oauth)_[\w.=\-]{32,64}"
    ),
    Format("SUPABASE_TOKEN", "a Supabase token", rf"\bsbp_(?:v0_)?{_HEX}{{40}}\b"),
    Format("TERRAFORM_TOKEN", "a Terraform token", rf"\b{_AN}{{14}}\.atlasv1\.[\w\-=]{{60,70}}"),
    Format(
        "VAULT_TOKEN",
        "a Vault token",
        rf"\bhv[bs]\.{_URL}{{24,300}}|\b(?i:vault)[\w\- ]{{0,20}}{_IS}(?P<secret>s\.{_AN}{{24}})\b",
    ),
    Format("PULUMI_TOKEN", "a Pulumi token", rf"\bpul-{_HEX}{{40}}\b"),
    Format(
        "DOPPLER_TOKEN",
        "a Doppler token",
        rf"\bdp\.(?:pt|st|ct|sa|scim|audit)\.(?:[\w\-]{{2,35}}\.)?{_AN}{{40,44}}\b",
    ),
    Format(
        "TAILSCALE_KEY",
        "a Tailscale key",
        rf"\btskey-[a-z]{{2,12}}-{_AN}{{8,64}}(?:-{_AN}{{16,64}})?",
    ),
    # --- models ---
    Format(
        "ANTHROPIC_KEY",
        "an Anthropic key",
        rf"\bsk-ant-[a-z0-9]{{3,12}}-{_URL}{{24,160}}{_END}",
    ),
    Format(
        "OPENAI_KEY",
        "an OpenAI key",
        rf"\bsk-(?:(?:proj|svcacct|admin|None)-{_URL}{{20,220}}|{_AN}{{20}}T3BlbkFJ{_AN}{{20}}|{_AN}{{32,64}}){_END}",
    ),
    Format("OPENROUTER_KEY", "an OpenRouter key", rf"\bsk-or-v1-{_HEX}{{64}}\b"),
    Format(
        "HUGGINGFACE_TOKEN",
        "a Hugging Face token",
        rf"\b(?:hf_{_AN}{{34,40}}|api_org_[A-Za-z]{{34}})\b",
    ),
    Format("GROQ_KEY", "a Groq key", rf"\bgsk_{_AN}{{48,56}}\b"),
    Format("XAI_KEY", "an xAI key", rf"\bxai-{_AN}{{70,90}}\b"),
    Format("REPLICATE_TOKEN", "a Replicate token", rf"\br8_{_AN}{{37}}\b"),
    Format("PERPLEXITY_KEY", "a Perplexity key", rf"\bpplx-{_AN}{{48,56}}\b"),
    Format(
        "LANGSMITH_KEY",
        "a LangSmith key",
        rf"\b(?:lsv2_(?:pt|sk)_{_HEX}{{32}}_{_HEX}{{10}}|ls__{_HEX}{{32}})\b",
    ),
    # --- code hosts and registries ---
    Format(
        "GITHUB_TOKEN",
        "a GitHub token",
        rf"\b(?:gh[pousr]_{_AN}{{36,255}}|github_pat_[A-Za-z0-9_]{{36,255}})\b",
    ),
    Format(
        "GITLAB_TOKEN",
        "a GitLab token",
        rf"\b(?:gl(?:pat|dt|rt|ptt|ft|imt|agent|oas|soat|ffct|cbt)-|GR1348941){_URL}{{20,80}}(?:\.\w{{2}}\.\w{{9}})?",
    ),
    Format(
        "NPM_TOKEN",
        "an npm token",
        rf"\bnpm_{_AN}{{36}}\b|_authToken\s{{0,2}}=\s{{0,2}}(?P<secret>[0-9a-f]{{8}}-[0-9a-f-]{{27}})",
    ),
    Format(
        "PYPI_TOKEN",
        "a PyPI token",
        rf"\bpypi-(?:AgEIcHlwaS5vcmc|AgENdGVzdC5weXBpLm9yZw){_URL}{{50,1000}}",
    ),
    Format("RUBYGEMS_KEY", "a RubyGems key", rf"\brubygems_{_HEX}{{48}}\b"),
    Format("CRATES_TOKEN", "a crates.io token", rf"\bcio{_AN}{{32}}\b", "random"),
    Format("NUGET_KEY", "a NuGet key", r"\boy2[a-z0-9]{43}\b"),
    Format("CLOJARS_TOKEN", "a Clojars token", r"\bCLOJARS_[a-z0-9]{60}\b"),
    Format("DOCKER_TOKEN", "a Docker token", rf"\bdckr_(?:pat|oat)_{_URL}{{27,40}}"),
    Format(
        "ARTIFACTORY_KEY",
        "an Artifactory key",
        rf"\bAKC[a-zA-Z0-9]{{60,80}}\b|\bcmVmd{_AN}{{59}}\b",
    ),
    Format(
        "SOURCEGRAPH_TOKEN",
        "a Sourcegraph token",
        rf"\bsgp_(?:[0-9a-fA-F]{{16}}_|local_)?{_HEX}{{40}}\b",
    ),
    Format(
        "SENTRY_TOKEN",
        "a Sentry token",
        rf"\bsntry(?:u_{_HEX}{{64}}|s_eyJ[A-Za-z0-9+/=_]{{40,300}})",
    ),
    Format("POSTMAN_KEY", "a Postman key", rf"\bPMAK-{_HEX}{{24}}-{_HEX}{{34}}\b"),
    Format("README_KEY", "a ReadMe key", r"\brdme_[a-z0-9]{70}\b"),
    Format("PREFECT_TOKEN", "a Prefect token", rf"\bpn[ub]_{_AN}{{36}}\b"),
    # --- messages ---
    Format(
        "SLACK_TOKEN",
        "a Slack token",
        rf"\b(?:xox[abeoprs]-(?:\d-)?{_AN}[A-Za-z0-9\-]{{9,250}}|xapp-\d-[A-Z0-9]{{8,14}}-\d{{8,14}}-[a-z0-9]{{20,100}}|xoxe\.xox[bp]-\d-{_AN}{{100,250}})",
        "digits",
    ),
    Format(
        "SLACK_WEBHOOK",
        "a Slack webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,80}",
    ),
    Format(
        "DISCORD_TOKEN",
        "a Discord token",
        rf"\b[MNO]{_URL}{{23,27}}\.{_URL}{{6}}\.{_URL}{{27,38}}{_END}",
    ),
    Format(
        "DISCORD_WEBHOOK",
        "a Discord webhook",
        rf"discord(?:app)?\.com/api/webhooks/\d{{17,20}}/{_URL}{{60,72}}",
    ),
    Format(
        "TEAMS_WEBHOOK",
        "a Teams webhook",
        r"[a-z0-9\-]{1,60}\.webhook\.office\.com/webhookb2/[0-9a-f@/\-]{60,100}IncomingWebhook/[0-9a-f/\-]{60,80}",
    ),
    Format(
        "TELEGRAM_TOKEN",
        "a Telegram bot token",
        rf"(?<![\d])\d{{8,10}}:AA{_URL}{{32,33}}{_END}",
    ),
    Format("TWILIO_KEY", "a Twilio key", rf"\bSK{_HEX}{{32}}\b"),
    Format(
        "SENDGRID_KEY", "a SendGrid key", rf"\bSG\.{_URL}{{16,32}}\.{_URL}{{39,50}}{_END}", "varied"
    ),
    Format(
        "MAILGUN_KEY",
        "a Mailgun key",
        rf"\b(?:key-{_HEX}{{32}}|{_HEX}{{32}}-{_HEX}{{8}}-{_HEX}{{8}})\b",
    ),
    Format("MAILCHIMP_KEY", "a Mailchimp key", rf"\b{_HEX}{{32}}-us\d{{1,2}}\b"),
    Format("BREVO_KEY", "a Brevo key", rf"\bxkeysib-{_HEX}{{64}}-{_AN}{{16}}\b"),
    # --- money and shops ---
    Format(
        "STRIPE_KEY",
        "a Stripe key",
        rf"\b(?:[rs]k_(?:live|test|prod)_{_AN}{{10,247}}\b|whsec_{_B64}{{32,64}}={{0,2}})",
    ),
    Format(
        "SQUARE_TOKEN",
        "a Square token",
        rf"\b(?:sq0(?:atp|csp|idp|i)-{_URL}{{22,43}}|EAAA[A-Za-z0-9_\-+=]{{60}}){_END}",
    ),
    Format(
        "BRAINTREE_TOKEN",
        "a Braintree token",
        rf"\baccess_token\$(?:production|sandbox)\$[0-9a-z]{{16}}\${_HEX}{{32}}\b",
    ),
    Format(
        "PLAID_TOKEN",
        "a Plaid token",
        r"\baccess-(?:sandbox|development|production)-[0-9a-f]{8}-[0-9a-f-]{27}\b",
    ),
    Format("SHOPIFY_TOKEN", "a Shopify token", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}\b"),
    Format("SHIPPO_TOKEN", "a Shippo token", rf"\bshippo_(?:live|test)_{_HEX}{{40}}\b"),
    Format("EASYPOST_KEY", "an EasyPost key", rf"\bEZ[AT]K{_AN}{{54}}\b"),
    # --- tools ---
    Format(
        "ATLASSIAN_TOKEN",
        "an Atlassian token",
        r"\bAT(?:ATT3|CTT3|BB)[A-Za-z0-9_\-=]{24,220}",
    ),
    Format("LINEAR_KEY", "a Linear key", rf"\blin_(?:api|oauth)_{_AN}{{32,64}}\b"),
    Format("NOTION_TOKEN", "a Notion token", rf"\b(?:secret_{_AN}{{43}}|ntn_{_AN}{{40,50}})\b"),
    Format("AIRTABLE_TOKEN", "an Airtable token", rf"\bpat{_AN}{{14}}\.{_HEX}{{64}}\b"),
    Format("FIGMA_TOKEN", "a Figma token", rf"\bfigd_{_URL}{{40}}{_END}"),
    Format("TYPEFORM_TOKEN", "a Typeform token", r"\btfp_[\w\-.=]{44,60}"),
    Format(
        "GRAFANA_TOKEN",
        "a Grafana token",
        rf"\bgl(?:sa_{_AN}{{32}}_[0-9A-Fa-f]{{8}}\b|c_{_B64}{{32,400}}={{0,2}})|\beyJrIjoi{_AN}{{70,400}}={{0,2}}",
    ),
    Format(
        "NEWRELIC_KEY",
        "a New Relic key",
        r"\b(?:NRAK-[A-Z0-9]{27}|NRII-[\w\-]{32}|NRJS-[0-9a-f]{19}|NRA[AL]-[0-9a-f]{42}|[0-9a-f]{36}NRAL)\b",
    ),
    Format(
        "DYNATRACE_TOKEN", "a Dynatrace token", r"\bdt0[a-zA-Z]\d{2}\.[A-Z0-9]{24}\.[A-Z0-9]{64}\b"
    ),
    Format(
        "ONEPASSWORD_TOKEN",
        "a 1Password token",
        rf"\bops_eyJ{_B64}{{200,1000}}={{0,3}}|\bA3-[A-Z0-9]{{6}}-(?:[A-Z0-9]{{11}}|[A-Z0-9]{{6}}-[A-Z0-9]{{5}})(?:-[A-Z0-9]{{5}}){{3}}\b",
    ),
    Format(
        "AGE_KEY",
        "an age secret key",
        r"\bAGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}\b",
    ),
    Format(
        "MAPBOX_TOKEN",
        "a Mapbox secret token",
        rf"\bsk\.eyJ{_URL}{{40,100}}\.{_URL}{{20,24}}{_END}",
    ),
    Format(
        "FACEBOOK_TOKEN",
        "a Facebook token",
        rf"\bEAA(?:CEdEose0cBA|[MC]){_AN}{{20,250}}\b",
        "digits",
    ),
    Format("X_BEARER_TOKEN", "an X bearer token", r"\bA{20,22}[A-Za-z0-9%]{60,120}"),
    Format("PORTCULLIS_KEY", "a Portcullis key", rf"\bptc_{_AN}{{4,32}}_{_URL}{{20,90}}"),
    # --- without a provider ---
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
        "JWT",
        "a signed token (JWT)",
        rf"\bey(?:J|I|A){_URL}{{8,1000}}\.ey{_URL}{{8,2000}}\.{_URL}{{10,1000}}",
        "jwt",
    ),
    Format(
        "URL_PASSWORD",
        "a password in a URL",
        r"\b[a-z][a-z0-9+.\-]{1,20}://[^\s:/@\"'<>`]{0,64}:(?P<secret>[^\s@/\"'<>`]{3,128})@[\w\[]",
        "password",
    ),
    Format(
        "CONNECTION_PASSWORD",
        "a password in a connection string",
        r"(?i:\b(?:server|data source|host|endpoint)\s{0,2}=[^\n\"']{2,200};"
        r"\s{0,2}(?:password|pwd))\s{0,2}=\s{0,2}(?P<secret>[^\s;\"']{4,128})",
        "password",
    ),
    Format(
        "AUTHORIZATION_HEADER",
        "credentials in a header",
        r"(?i:\bauthorization)[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?i:bearer|basic|token)\s{1,3}"
        r"(?P<secret>[A-Za-z0-9+/_\-.~=]{16,1024})",
        "random",
    ),
    Format(
        "ASSIGNED_PASSWORD",
        "a password in an assignment",
        r"(?i:passw(?:or)?d|passphrase|pwd)[\"'`]?\s{0,4}(?::=|=>|={1,3}|:)\s{0,4}"
        r"(?:\"(?P<secret>[^\s\"]{6,128})\"|'(?P<other>[^\s']{6,128})')",
        "chosen",
    ),
    Format(
        "ASSIGNED_SECRET",
        "a secret in an assignment",
        r"(?i:(?:api|app|auth|access|secret|private|client|encryption|signing|consumer|account"
        r"|service|bot|webhook|refresh|session|master|deploy|license|subscription|integration"
        r"|personal|[a-z0-9]{2,24}[_\-])[_\-. ]?(?:key|token|secret|pass(?:word|wd)?|credential)s?"
        r"|passw(?:or)?d|pwd|secret|token)"
        + _IS
        + r"(?P<secret>[A-Za-z0-9+/_\-.~=!@#$%^&*]{12,160})",
        "random",
    ),
    Format(
        "NAMED_SECRET",
        "a secret beside its name",
        r"(?:KEY|TOKEN|SECRET|ACCESS|PRIVATE)[ \-]{1,2}"
        r"(?P<secret>[A-Za-z0-9+/_=]{20,128})(?![A-Za-z0-9+/_=\-])",
        "random",
    ),
)
"""All formats, the surest first: of two that find the same span the first one names it."""
