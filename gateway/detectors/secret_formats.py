"""Formats of keys and tokens that bear a mark of their provider: a table of our own.

Such a mark is taken at its word. Lengths are those that the providers document or that their
issued keys have; where they vary, a range. Which providers and marks there are: GitHub's list of
supported secret scanning patterns, and the providers' own pages on their keys.
"""

from __future__ import annotations

from typing import NamedTuple


class Format(NamedTuple):
    """One format of a secret.

    Attributes:
        name: what it is called in a message to a person.
        regex: what it looks like. A named group, if there is one, is what is secret of it.
        check: the name of a function of CHECKS in secret_checks.py.
        proof: the name of a function of PROOFS there, for a checksum or the like; "" for none.
        public: whether a name that says so (a public key, a CSRF token) turns a match down.
    """

    entity: str
    name: str
    regex: str
    check: str = "varied"
    proof: str = ""
    public: bool = False


_B64 = r"[A-Za-z0-9+/]"
_URL = r"[A-Za-z0-9_\-]"
_HEX = r"[0-9a-f]"
_AN = r"[A-Za-z0-9]"
_END = r"(?![A-Za-z0-9_\-])"
ASSIGNED = r"[\"'`\]]{0,2}\s{0,4}(?::=|=>|->|={1,3}|:)\s{0,4}[\"'`(\[]{0,3}"
"""What stands between a name and its value in code, settings and JSON."""


MARKED: tuple[Format, ...] = (
    # --- clouds ---
    Format(
        "AWS_ACCESS_KEY",
        "an AWS access key",
        r"\b(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}\b",
        proof="aws_key_id",
    ),
    Format(
        "AWS_SECRET_KEY",
        "an AWS secret key",
        r"(?i:\baws_?|\bamazon_?|\bsecret|\bs3_?)[\w\-. ]{0,24}(?i:key|secret)"
        + ASSIGNED
        + rf"(?P<secret>{_B64}{{40}})(?![A-Za-z0-9+/=])",
    ),
    Format("AWS_BEDROCK_KEY", "an AWS Bedrock key", rf"\bABSK{_B64}{{100,270}}={{0,2}}"),
    Format("GOOGLE_API_KEY", "a Google API key", rf"\bAIza{_URL}{{35}}{_END}"),
    Format("GOOGLE_OAUTH_TOKEN", "a Google OAuth token", r"\bya29\.[\w\-.]{20,1024}"),
    Format("GOOGLE_OAUTH_SECRET", "a Google OAuth secret", rf"\bGOCSPX-{_URL}{{28}}{_END}"),
    Format(
        "AZURE_STORAGE_KEY",
        "an Azure storage key",
        rf"(?i:AccountKey|account_key|storage[_\-. ]?key){ASSIGNED}"
        rf"(?P<secret>{_B64}{{60,86}}={{1,2}})",
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
        rf"\bhv[bsr]\.{_URL}{{24,300}}"
        rf"|\b(?i:vault)[\w\- ]{{0,20}}(?:{ASSIGNED}| )(?P<secret>s\.{_URL}{{24,140}}){_END}",
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
    Format("XAI_KEY", "an xAI key", r"\bxai-[A-Za-z0-9_]{70,90}\b"),
    Format("REPLICATE_TOKEN", "a Replicate token", rf"\br8_{_AN}{{37,40}}\b"),
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
        proof="crc32_suffix",
    ),
    Format(
        "GITLAB_TOKEN",
        "a GitLab token",
        rf"\b(?:(?:gl(?:pat|dt|rt|rtr|ft|cbt|soat|ffct|wt)-|GR1348941){_URL}{{20,50}}"
        rf"|glimt-{_URL}{{25}}|glptt-{_URL}{{40}}|gloas-{_URL}{{64}}|glagent-{_URL}{{50,100}}"
        rf"|glpat-{_URL}{{27,300}}\.{_AN}{{2}}\.{_AN}{{7,9}}){_END}",
    ),
    Format(
        "NPM_TOKEN",
        "an npm token",
        rf"\bnpm_{_AN}{{36}}\b|_authToken\s{{0,2}}=\s{{0,2}}(?P<secret>[0-9a-f]{{8}}-[0-9a-f-]{{27}})",
        proof="crc32_suffix",
    ),
    Format(
        "PYPI_TOKEN",
        "a PyPI token",
        rf"\bpypi-(?:AgEIcHlwaS5vcmc|AgENdGVzdC5weXBpLm9yZw){_URL}{{50,1000}}",
        proof="macaroon",
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
        r"\bsgp_(?:[0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40}\b",
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
        r"\b(?:xox[abcdeoprs]-(?:\d-)?(?:[A-Za-z0-9]{8,14}-){0,3}[A-Za-z0-9]{16,250}"
        r"|xapp-\d-[A-Z0-9]{8,14}-\d{8,14}-[a-z0-9]{20,100})",
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
        proof="discord",
    ),
    Format(
        "DISCORD_WEBHOOK",
        "a Discord webhook",
        rf"discord(?:app)?\.com/api/webhooks/\d{{17,20}}/{_URL}{{60,72}}",
    ),
    Format(
        "TEAMS_WEBHOOK",
        "a Teams webhook",
        r"[a-z0-9\-]{1,60}\.webhook\.office\.com/webhookb2/[0-9a-f@/\-]{60,100}IncomingWebhook/[0-9a-f/\-]{60,80}"
        r"|\boutlook\.office\.com/webhook/[0-9a-f@/\-]{60,100}IncomingWebhook/[0-9a-f/\-]{60,80}",
    ),
    Format(
        "TELEGRAM_TOKEN",
        "a Telegram bot token",
        rf"(?<![\d])\d{{8,10}}:AA{_URL}{{32,33}}{_END}"
        rf"|(?i:telegram)[\w ]{{0,12}}[=:\"' ]{{1,4}}(?P<secret>\d{{8,10}}:{_URL}{{35}}){_END}",
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
    Format("SHIPPO_TOKEN", "a Shippo token", r"\bshippo_(?:live|test)_[0-9a-fA-F]{40}\b"),
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
        proof="bech32",
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
    # --- others ---
    Format("ADAFRUIT_KEY", "an Adafruit key", rf"\baio_{_AN}{{28}}\b"),
    Format("APPSYNC_KEY", "an AWS AppSync key", r"\bda2-[a-z0-9]{26}\b"),
    Format("AZURE_DEVOPS_TOKEN", "an Azure DevOps token", rf"\b{_AN}{{76}}AZDO{_AN}{{4}}\b"),
    Format(
        "AZURE_KEY",
        "an Azure key",
        rf"\b{_AN}{{52}}JQQJ9[9D]{_AN}{{26}}\b|(?<![A-Za-z0-9+/_\-])[A-Za-z0-9+/_\-]{{33,76}}(?:AzFu|AzSe|AzCa|ACDb|AIoT|APIM|\+A(?:Sb|Eh|Rm|MC|St|CR))[A-Za-z0-9+/_\-]{{5,12}}={{1,2}}",
    ),
    Format("BUILDKITE_TOKEN", "a Buildkite token", rf"\bbk(?:ua|aj|at|ct)_{_AN}{{40}}\b"),
    Format(
        "CIRCLECI_TOKEN", "a CircleCI token", rf"\bCCI(?:PAT|PRJ)_{_AN}{{20,24}}_[a-z0-9]{{40}}\b"
    ),
    Format("CEREBRAS_KEY", "a Cerebras key", r"\bcsk-[a-z0-9]{40,60}\b"),
    Format("CONTENTFUL_TOKEN", "a Contentful token", rf"\bCFPAT-{_URL}{{43}}{_END}"),
    Format(
        "DEPENDENCYTRACK_KEY", "a Dependency-Track key", rf"\bodt_(?:{_AN}{{8}}_)?{_AN}{{32,36}}\b"
    ),
    Format("DROPBOX_TOKEN", "a Dropbox token", rf"\bsl\.(?:u\.)?{_URL}{{130,1500}}"),
    Format("DUFFEL_TOKEN", "a Duffel token", rf"\bduffel_(?:test|live)_{_URL}{{43}}{_END}"),
    Format("E2B_KEY", "an E2B key", rf"\be2b_{_HEX}{{40}}\b"),
    Format("ELEVENLABS_KEY", "an ElevenLabs key", rf"\bsk_{_HEX}{{48}}\b"),
    Format("FIREBASE_KEY", "a Firebase server key", rf"\bAAAA{_URL}{{7}}:{_URL}{{134,140}}"),
    Format("FLUTTERWAVE_KEY", "a Flutterwave key", r"\bFLWSECK(?:_TEST)?-[A-Za-z0-9]{12,32}-X\b"),
    Format("FRAMEIO_TOKEN", "a Frame.io token", rf"\bfio-u-{_URL}{{64}}{_END}"),
    Format("GOOGLE_REFRESH_TOKEN", "a Google refresh token", rf"\b1//0{_URL}{{40,120}}{_END}"),
    Format(
        "HUBSPOT_TOKEN",
        "a HubSpot token",
        rf"\bpat-(?:na|eu|ap)\d-{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\b",
    ),
    Format("INTRA42_SECRET", "a 42 Intra secret", rf"\bs-s4t2(?:ud|af)-{_HEX}{{64}}\b"),
    Format("JINA_KEY", "a Jina key", rf"\bjina_{_HEX}{{32}}{_URL}{{28}}{_END}"),
    Format(
        "LANGFUSE_KEY",
        "a Langfuse secret key",
        rf"\bsk-lf-{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\b",
    ),
    Format(
        "LAUNCHDARKLY_KEY",
        "a LaunchDarkly key",
        rf"\b(?:sdk|api)-{_HEX}{{8}}(?:-{_HEX}{{4}}){{3}}-{_HEX}{{12}}\b",
    ),
    Format("LOB_KEY", "a Lob key", rf"\b(?:live|test)_{_HEX}{{35}}\b"),
    Format("MONGODB_ATLAS_KEY", "a MongoDB Atlas secret", rf"\bmdb_sa_sk_{_URL}{{40}}{_END}"),
    Format("NETLIFY_TOKEN", "a Netlify token", rf"\bnf[a-z]_{_AN}{{36,40}}\b"),
    Format("NVIDIA_KEY", "an NVIDIA key", rf"\bnvapi-{_URL}{{60,70}}{_END}"),
    Format("OCTOPUS_KEY", "an Octopus Deploy key", r"\bAPI-[A-Z0-9]{25,29}\b"),
    Format(
        "OKTA_TOKEN",
        "an Okta token",
        rf"(?i:okta[\w\- ]{{0,20}}|SSWS)(?:{ASSIGNED}|\s{{1,2}})"
        rf"(?P<secret>00{_URL}{{38,40}}){_END}",
    ),
    Format("PINECONE_KEY", "a Pinecone key", r"\bpcsk_[A-Za-z0-9]{5,6}_[A-Za-z0-9]{60,70}\b"),
    Format("POSTHOG_KEY", "a PostHog personal key", rf"\bphx_{_AN}{{40,48}}\b"),
    Format("PUBNUB_KEY", "a PubNub secret key", rf"\bsec-c-{_AN}{{40,60}}={{0,2}}"),
    Format("RENDER_KEY", "a Render key", rf"\brnd_{_AN}{{28,36}}\b"),
    Format("RESEND_KEY", "a Resend key", rf"\bre_{_AN}{{8}}_{_AN}{{24}}\b"),
    Format(
        "SALESFORCE_TOKEN", "a Salesforce token", rf"\b00D{_AN}{{12,15}}![A-Za-z0-9._]{{80,120}}"
    ),
    Format(
        "SONARQUBE_TOKEN",
        "a SonarQube token",
        rf"\bsq[pua]_{_HEX}{{40}}\b"
        rf"|(?i:\bsonar[._\- ]?(?:login|token))(?:{ASSIGNED}|[\"']?\s{{0,3}},\s{{0,3}}[\"'])"
        rf"(?P<secret>{_HEX}{{40}})\b",
    ),
    Format("TAVILY_KEY", "a Tavily key", rf"\btvly-(?:dev-|prod-)?{_AN}{{32}}\b"),
    Format("TEAMWORK_TOKEN", "a Teamwork token", rf"\btkn\.v1_{_AN}{{60,80}}={{0,2}}"),
    Format("TWITCH_STREAM_KEY", "a Twitch stream key", r"\blive_\d{8,10}_[A-Za-z0-9]{30}\b"),
    Format("UBIDOTS_TOKEN", "a Ubidots token", rf"\bBBF[A-Z]-{_AN}{{30,34}}\b"),
    Format(
        "VOICEFLOW_KEY", "a Voiceflow key", rf"\bVF\.(?:(?:DM|WS)\.)?{_HEX}{{24}}\.{_AN}{{16}}\b"
    ),
    Format("ZOHO_TOKEN", "a Zoho token", r"\b1000\.[0-9a-z]{32}\.[0-9a-z]{32}\b"),
    Format("ASANA_TOKEN", "an Asana token", rf"\b[12]/\d{{16}}(?:/\d{{16}})?:{_HEX}{{32}}\b"),
    Format(
        "JFROG_TOKEN",
        "a JFrog token",
        rf"(?i:jfrog|artif\w{{0,10}}|X-JFrog-Art-Api)[\w\-:./ ]{{0,20}}{ASSIGNED}"
        rf"(?P<secret>A(?:KC|P[0-9A-F]){_AN}{{10,80}})\b",
        "random",
    ),
)
"""Formats with a mark of their provider, the surest first."""
