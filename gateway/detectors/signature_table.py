"""What injected instructions look like: weighted signatures in our own words.

A signature's weight is the chance, on its own, that the text around it tries to steer the
model; those of one passage are combined (signatures.py). A weight of 0.5 and more acts alone.
Patterns are read with case ignored, over normalised text. `S` stands between words and takes
any white space and punctuation; `GAP` takes a few words more.

Weights were set by hand on ../shared/data/dev and are measured in docs/kinds/injection.md.
"""

# ruff: noqa: RUF001 - other scripts are part of it
from __future__ import annotations

from typing import NamedTuple

from gateway.detectors.normalise import normalise


class Signature(NamedTuple):
    """`group` is one of GROUPS, `needs` names of KEYS: all must occur for it to be tried."""

    name: str
    group: str
    weight: float
    regex: str
    needs: tuple[str, ...] = ()


GROUPS = {
    "override": "an attempt to override instructions",
    "forging": "a forged system message",
    "exfiltration": "an attempt to extract secrets or instructions",
    "hijack": "instructions aimed at an agent",
    "persona": "a jailbreak persona",
    "hidden": "hidden or encoded instructions",
}
"""Group -> what it is called in a message to a person."""

S = r"[\W_]+"
W = r"[^\W_]+"


def gap(words: int) -> str:
    """Up to so many words in between, with what separates them."""
    return rf"(?:{S}{W}){{0,{words}}}{S}"


DROP = (
    r"(?:ignor(?:e|es|ed|ing)|disregard(?:ing)?|forget(?:ting)?|bypass(?:ing)?|overrid(?:e|ing)"
    r"|overrule|neglect|dismiss|discard|overlook|set aside|cast aside|put aside|abandon|nullify"
    r"|erase|delete|cancel|skip|drop|unlearn|do(?:es)? n[o']t (?:follow|obey|listen to|adhere to"
    r"|comply with|pay attention to|consider)|don'?t (?:follow|obey|listen to|adhere to"
    r"|comply with|pay attention to|consider)|stop (?:following|obeying)|pay no (?:attention|heed)"
    r" to|refrain from following|replace|violate|break|deviate from|leave behind)"
)
EARLIER = (
    r"(?:previous(?:ly)?|prior|preceding|earlier|above|aforementioned|foregoing|former|past"
    r"|existing|original|initial|before|so far|last|old|up to now|until now)"
)
ORDERS = (
    r"(?:instruct(?:ion|ions|ed)|instrucitons|directions?|directives?|prompts?|rules?|guidelines?"
    r"|guidance|commands?|orders?|constraints?|restrictions?|programming|polic(?:y|ies)"
    r"|guardrails?|safeguards?|safety (?:protocols?|measures?|settings?)|protocols?"
    r"|filters?|assignments?|tasks?)"
)
SAID = r"(?:context|text|messages?|conversations?|content|requests?|inputs?|data|information)"
WHOLE = r"(?:all|any|every|each|everything|anything|the|your|my|these|those|this|that|whatever)"
MODEL = (
    r"(?:ai|a\.i\.|llm|language model|assistant|chat ?bot|chatgpt|gpt|copilot|claude|gemini|agent"
    r"|model|bot|system)"
)
PROMPT = (
    r"(?:system|initial|original|hidden|secret|developer|internal|base|pre-?|core|starting|first"
    r"|previous|prior|above|own|custom|full|entire|complete|exact|confidential|underlying)"
)
SHOW = (
    r"(?:reveal|show|print|repeat|output|display|tell|give|share|leak|dump|disclose|expose|return"
    r"|recite|reproduce|provide|write|list|state|summari[sz]e|describe|translate|spell|copy"
    r"|paste|type|echo|what (?:is|are|was|were)|what's|read|say|append|include|paraphrase|encode)"
)
SECRETS = (
    r"(?:api[ _-]?keys?|passwords?|credentials?|secrets?|env(?:ironment)?[ _-]?var(?:iable)?s?"
    r"|\.env|access[ _-]?tokens?|private[ _-]?keys?|ssh[ _-]?keys?|id_rsa|cookies"
    r"|chat history|conversation history|(?:entire|full|whole|this) conversation|system prompt"
    r"|session tokens?|auth(?:entication)? tokens?|\.aws/credentials|/etc/passwd"
    r"|personal (?:data|information)|user data|customer data|confidential (?:data|information))"
)

# Cheap expressions for the rarest thing that a signature needs. Few of them occur in ordinary
# texts, which is what keeps the common pass over all of them at some microseconds a kilobyte.
KEYS: dict[str, str] = {
    "system-prompt": rf"\b{PROMPT}{S}(?:{W}{S}){{0,2}}(?:prompt|instruct|message|rules|guideline|directive|config|settings|context|text|polic|constraint)",
    "drop": rf"\b{DROP}|\b(?:halt|pause|suspend|cease|put on hold|forego|sideline|depriorit)",
    "forget": r"\b(?:ignor|disregard|forget|bypass|overrid|overlook|discard|abandon|dismiss|erase|delete|unlearn)",
    "orders": rf"\b(?:{ORDERS}|mission|request|objective|activit|operation)",
    "new": r"\b(?:new|updated|revised|real|actual|true|additional|special|next|latest|modified)[\W_]+(?:system|set of|primary|main|instruct|directive|orders?|objective|commands?|prompt|rules|mission|assignment)",
    "your-new": rf"\byour{S}(?:new|next|only|sole|primary|real|true|actual|main|current|immediate|number one|top){S}",
    "from-now": r"\b(?:from (?:now|this|here)|henceforth|starting now|going forward)\b",
    "supersede": r"\b(?:supersed|overrid|tak(?:e|es|ing) p|replac|void)",
    "adhere": r"\b(?:adhere|follow|obey|execute|comply|carry out|perform)\b",
    "priority": r"\b(?:priority|importance|attention|urgent|critical|crucial|essential|vital|imperative|immediate|important|mandatory|primary)\b",
    "focus": r"\b(?:focus|attention|gears|efforts?|energy|resources|mind)\b",
    "halt": r"\b(?:drop|stop|halt|pause|cease|abort|interrupt|suspend)[\W_]+(?:everything|what|all|any|your)",
    "start-over": r"\b(?:start over|reset yourself|reboot|clear your|new (?:chat|conversation|session|statement|task|prompt|topic)|begin a new|let'?s start)",
    "instead": r"\b(?:instead|just|simply|only|now)[\W_]+(?:say|print|output|write|respond|reply|answer|tell|return)\b",
    "foreign": r"\b(?:verg[ie]ss|ignor(?:ier|[aeiozr])|missacht|ubersp|lass|oublie|neglige|ne ti?en|olvid|omit|descart|haz caso|dimentic|scorda|esquec|desconsid|zaborav|zanem|zapomn|ignoruj|zignor|pomin|neg[ei]|vergeet|glem|glom|unohda|ohita|onceki|tum|butun)",
    "mode": r"\bmode\b",
    "authority": r"\b(?:openai|anthropic|google|developer|creator|admin|root user|superuser|programmer|owner)",
    "show": r"\b(?:reveal|show|print|repeat|output|display|tell me|give me|share|leak|dump|disclose|expose|return|recite|summari[sz]e|spell|copy|paste|echo|what (?:is|are|was|were)|what's|list)[\W_]+(?:[^\W_]+[\W_]+){0,3}your\b",
    "above": r"\b(?:above|before this|prior to this|previous|preceding|(?:beginning|starting) with|verbatim|word for word|so far|from the (?:start|beginning|top)|you (?:were|have been) given|exactly as|in a code ?block)\b",
    "you-are": r"\b(?:begin|start)\w*[\W_]+(?:with|from|the|you)",
    "secrets": rf"{SECRETS}|\.ssh|id_rsa|\.aws|\.env|credentials|/etc/|\.npmrc|\.netrc|mcp\.json|\.kube|read_secret|(?:api|private|secret|access|encryption) keys?|environment variables",
    "curl": r"\b(?:curl|wget|nc|ncat)\b",
    "ai": r"\b(?:ai|llm|language model|chat ?bot|automated system)s?\b",
    "tell-user": r"\b(?:do not|don'?t|never|without|must not|should not|avoid)[\W_]+(?:[^\W_]+[\W_]+){0,2}(?:tell|inform|mention|notify|alert|reveal|disclos|show|let|ask|warn)",
    "use-tool": r"\b(?:before|when(?:ever)?|after|prior to|(?:each|every) time)[\W_]+(?:you[\W_]+)?"
    r"(?:us|call|run|invok|execut)",
    "consent": r"\bwithout\b",
    "use-tool-name": r"\b(?:call|invoke|use|execute|run|trigger)[\W_]+(?:the[\W_]+|your[\W_]+)?[a-z]+_",
    "remember": r"\b(?:remember|memori[sz]e|store|save|keep)\b",
    "rate": r"(?:with|that)[\W_]*[\"'`]",
    "approve": r"\b(?:approve|authori[sz]e|confirm|grant|allow|accept)\b",
    "freed": r"\b(?:free[d]?|broken free|break free|liberated|unbound|unshackled|released|escaped|exempt|bound)[\W_]+(?:from|of|by)\b",
    "limits": r"\b(?:restriction|censorship|moral|ethic|content (?:polic|filter|guideline)|guardrail|safeguard|inhibition|safety|usage polic)",
    "refuse": r"\b(?:refus|reject|declin|deny|denies|say(?:ing)? (?:no|you|that you|.?i)|apologi[sz]e|warn|morali[sz]|lecture)",
    "vendor": r"\b(?:open ?ai|chatgpt|anthropic|google|company)",
    "bypass": r"\b(?:bypass|circumvent|evade|defeat|disable|turn off|deactivate|get around|remove|jailbreak|break)\b",
    "character": r"\bcharacter\b|\bnever[\W_]+(?:leave|break)",
    "unbound": r"\b(?:unfiltered|uncensored|unrestricted|amoral|unethical|evil|jailbroken|(?:no|without|any) (?:restrictions|rules|limit|filters?|morals?|ethics)|dan|developer mode|opposite mode)",
    "act": r"\b(?:act as|pretend|role-?play|simulate|play the role|immerse yourself|impersonate|become)\b",
    "you-are-now": r"\byou are[\W_]+(?:now|no longer|henceforth)\b",
    "chatgpt": r"\b(?:chatgpt|gpt|classic|normal(?:ly)?|standard|jailbroken|unfiltered|opposite|dan)\b",
    "disclaimer": r"\b(?:as an ai|an ai language|language model|warnings?|disclaimers?|i'?m sorry|i cannot|ethical (?:concerns|guidelines)|illegal or unethical|assistant)\b",
    "comment": r"<!--",
    "decode": r"\b(?:decod|decrypt|decipher|deobfuscat|unscramble|convert|interpret|translate)",
    "code": r"\b(?:base ?\d{2,4}|rot-?\d{1,2}|atbash|caesar|hex|morse|binary|leet|braille|ecoji|zalgo|nato|uuencod|quoted-printable|ascii85|pig latin|vigenere|rail ?fence|[345]-rail|decode|decrypt|cipher)",
}

# In the spelling that normalising gives them, which is made at import.
OTHER_SCRIPTS = normalise(
    "(?:"
    "(?:忽略|无视|忘记|忘掉|不要理会|跳过|无需遵守|忽視|無視|忘れ)[^。\\n]{0,12}"
    "(?:指令|指示|说明|規則|规则|命令|提示|要求|内容|对话|約束|限制)"
    "|(?:指令|指示|说明|规则|命令|指示|プロンプト|ルール)[^。\\n]{0,8}(?:忽略|无视|忘记|無視|忘れ)"
    "|(?:지시|명령|규칙|프롬프트|지침|안내)[^.\\n]{0,10}(?:무시|잊어|따르지)"
    "|(?:забуд(?:ь|ьте)|(?:про)?игнорир(?:уй|уйте|овать)|не обращай(?:те)? внимания на|отмени(?:те)?)"
    "\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,4}(?:инструкци|указани|правил|команд|предыдущ|вс[её]|запрос)\\w{0,5}"
    "|(?:ігноруй(?:те)?|забудь(?:те)?)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,4}(?:інструкці|вказів|правил)\\w{0,5}"
    "|(?:تجاهل|انس|تجاوز)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,3}(?:التعليمات|الأوامر|القواعد|تعليمات)"
    "|(?:निर्देश|नियम|आदेश)[^।\\n]{0,20}(?:अनदेखा|नज़रअंदाज|भूल|उपेक्षा)"
    "|(?:התעלם|שכח)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,3}(?:ההוראות|מההוראות|הוראות)"
    "|(?:αγν[οό]ησ[εε]|ξ[εέ]χνα)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,4}(?:οδηγ[ιί]ες|εντολ[εέ]ς)"
    "|(?:bỏ qua|quên)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,4}(?:hướng dẫn|chỉ dẫn|lệnh|quy tắc)"
    "|(?:ละเว้น|เพิกเฉย|ไม่สนใจ|ลืม)[^\\n]{0,15}(?:คำสั่ง|คำแนะนำ)"
    ")"
).text

SIGNATURES: tuple[Signature, ...] = (
    # --- override ---
    Signature(
        "drop-earlier-orders",
        "override",
        0.95,
        rf"\b{DROP}{gap(4)}{EARLIER}{gap(3)}(?:{ORDERS}|{SAID})\b",
        ("drop",),
    ),
    Signature(
        "drop-orders-earlier",
        "override",
        0.9,
        rf"\b{DROP}{gap(3)}(?:{ORDERS}|{SAID}){gap(4)}(?:{EARLIER}|given|told|received|set)\b",
        ("drop",),
    ),
    Signature(
        "drop-all-orders",
        "override",
        0.8,
        rf"\b(?:ignore|disregard|forget|bypass|override|overlook|discard|abandon|dismiss)"
        rf"(?:{S}about)?{S}(?:all|any|every|each|your|everything)(?:{S}(?:of|the|your|my|these"
        rf"|those|other|and|any|you|in)){{0,3}}(?:{S}{W}){{0,2}}{S}{ORDERS}\b",
        ("forget",),
    ),
    Signature(
        "drop-the-orders",
        "override",
        0.45,
        rf"\b(?:ignore|disregard|forget|bypass|override){S}(?:the|these|those|this|that)"
        rf"(?:{S}{W}){{0,2}}{S}{ORDERS}\b",
        ("forget",),
    ),
    Signature(
        "forget-everything",
        "override",
        0.8,
        rf"\b(?:forget|ignore|disregard|discard|erase|delete|unlearn){S}(?:about{S})?"
        rf"(?:everything|all|anything|what(?:ever)?|the things){gap(4)}"
        rf"(?:above|before|previous(?:ly)?|prior|earlier|said|told|know|learned|written|so far"
        rf"|until now|you were|i gave|i told|i said|happened)\b",
        ("forget",),
    ),
    Signature(
        "forget-all-end",
        "override",
        0.55,
        rf"\b(?:forget|disregard){S}(?:everything|all(?: of (?:that|it|this))?|it all)\s*[.!,;:\n]",
        ("forget",),
    ),
    Signature(
        "ignore-above",
        "override",
        0.75,
        rf"\b(?:ignore|disregard|forget){S}(?:(?:all|any|everything|the){S})?(?:of{S})?(?:the{S})?"
        rf"(?:above|preceding|foregoing|previous|prior)\b(?:{S}(?:and|text|then|instead|just|say"
        rf"|print|output|tell|write|return)\b|\s*[.!,:;])",
        ("forget",),
    ),
    Signature(
        "other-tasks",
        "override",
        0.75,
        rf"\b(?:{DROP}|halt|pause|suspend|stop|cease|put on hold|forego|sideline|deprioriti[sz]e)"
        rf"{gap(2)}(?:other|current|remaining|prior|ongoing|existing|else)(?:{S}{W})?{S}"
        rf"(?:tasks?|instructions?|activit(?:y|ies)|work|assignments?|objectives?|commands?"
        rf"|directives?|priorities|matters|requests?|queries|operations?|duties|questions?)\b",
        ("drop",),
    ),
    Signature(
        "new-orders",
        "override",
        0.55,
        rf"\b(?:new|updated|revised|real|actual|true|additional|special|next|latest|modified)"
        rf"{S}(?:system{S}|set of{S}|primary{S}|main{S})?(?:instructions?|directives?|orders?"
        rf"|objectives?|commands?|prompt|rules|mission|assignment)(?:{S}(?:for you|are|is|as"
        rf" follows|below|have been)\b|\s*[:>=]|{S}(?:to (?:follow|obey|execute)))",
        ("new",),
    ),
    Signature(
        "your-new-task",
        "override",
        0.55,
        rf"\b(?:your{S}(?:new|next|only|sole|primary|real|true|actual|main|current|immediate"
        rf"|number one|top){S}(?:and{S}{W}{S})?(?:task|objective|mission|goal|job|priority"
        rf"|purpose|instructions?|role|focus|concern|directive|assignment){S}(?:is|are|now|will)"
        rf"|this is (?:now )?your (?:new|only|sole|primary|main|top){gap(2)}(?:task|concern"
        rf"|priority|focus|objective|mission))\b",
        ("your-new",),
    ),
    Signature(
        "from-now-on",
        "override",
        0.35,
        rf"\b(?:from (?:now|this (?:point|moment)) on(?:wards?)?|henceforth|starting now"
        rf"|from here on(?: out)?|going forward){S}(?:{W}{S}){{0,2}}"
        rf"(?:you|your|respond|answer|act|pretend|ignore|speak|reply|always|never|i)\b",
        ("from-now",),
    ),
    Signature(
        "takes-precedence",
        "override",
        0.5,
        rf"\b(?:supersed(?:e|es|ing)|overrid(?:e|es|ing)|tak(?:e|es|ing) (?:precedence|priority)"
        rf" over|replac(?:e|es|ing)|void(?:s|ing)?){gap(3)}(?:{EARLIER}|all|any|every|other)"
        rf"{gap(2)}(?:{ORDERS})\b",
        ("supersede",),
    ),
    Signature(
        "adhere-to-following",
        "override",
        0.6,
        rf"\b(?:strictly|only|must|immediately|exactly|just|solely){gap(2)}(?:adhere to|follow"
        rf"|obey|execute|comply with|carry out|perform){S}(?:only{S})?(?:the|these|this|my)"
        rf"{S}(?:following|next|new|below|subsequent)?(?:{S})?(?:instructions?|commands?|orders?"
        rf"|directives?|task|request)\b",
        ("adhere",),
    ),
    Signature(
        "execute-following",
        "override",
        0.35,
        rf"\b(?:execute|carry out|perform|complete|do|follow|obey|prioriti[sz]e|address){S}(?:only"
        rf"{S})?(?:the|this|these){S}(?:following|next|subsequent|below|upcoming|new)"
        rf"(?:{S}{W})?{S}(?:instructions?|commands?|orders?|directives?|tasks?|request"
        rf"|assignment|operation)\b",
        ("orders",),
    ),
    Signature(
        "priority-task",
        "override",
        0.5,
        rf"\b(?:(?:highest|top|utmost|absolute|immediate|maximum|critical|urgent|first|number one)"
        rf"{S}(?:{W}{S})?(?:priority|importance|attention){gap(3)}(?:tasks?|instructions?"
        rf"|commands?|directives?|request|following|this|next)"
        rf"|(?:priority|primary|urgent|critical|crucial|essential|vital|imperative|immediate"
        rf"|important|mandatory){S}(?:{W}{S})?(?:task|directive|command|order|instruction|mission"
        rf"|assignment|objective|operation|alert|bulletin|update|addition|action|notice|message"
        rf"|announcement|request|information){S}?(?:\W{{0,6}}(?::|=|>|!|-{{2}})|"
        rf"{S}(?:ahead|follows|below|incoming|required|needed|awaits|for you)))",
        ("priority",),
    ),
    Signature(
        "shift-focus",
        "override",
        0.5,
        rf"\b(?:shift|redirect|switch|turn|divert|pivot|focus|direct|channel|concentrate|devote"
        rf"|give|dedicate){gap(2)}(?:focus|attention|gears|efforts?|energy|resources|mind)"
        rf"{gap(5)}(?:following|next|new|task|this|instructions?|directive|command|upcoming"
        rf"|below|here)\b",
        ("focus",),
    ),
    Signature(
        "what-follows-commands",
        "override",
        0.45,
        rf"\b(?:the (?:next|following|upcoming|subsequent|forthcoming|ensuing)|what (?:follows"
        rf"|comes next)|(?:commands?|instructions?|directives?|orders?) to (?:act|follow))\b"
        rf"(?:{S}{W}){{0,5}}{S}(?:instructions?|commands?|directives?|critical"
        rf"|crucial|vital|imperative|essential|priority|urgent|action|mandatory|call to action)\b",
        ("orders",),
    ),
    Signature(
        "drop-what-you-do",
        "override",
        0.6,
        rf"\b(?:drop|stop|halt|pause|cease|abort|interrupt|suspend){S}(?:everything|whatever|what"
        rf"|all|any|your current)(?:{S}(?:else|you(?:'re| are)|that|you|were|else you))*{S}?"
        rf"(?:{S}doing|{S}operations?|{S}activit(?:y|ies)|{S}and (?:do|focus|follow|listen"
        rf"|execute)|{S}tasks?)\b",
        ("halt",),
    ),
    Signature(
        "start-over",
        "override",
        0.4,
        r"\b(?:start over|reset yourself|reboot|clear your (?:memory|mind|context)|new (?:chat"
        r"|conversation|session|statement|task|prompt|topic)\s*[:.\-!]|begin a new (?:session"
        r"|conversation)|let'?s start (?:over|again|anew|fresh))",
        ("start-over",),
    ),
    Signature(
        "instead-say",
        "override",
        0.4,
        rf"\b(?:instead|just|simply|only|now){S}(?:say|print|output|write|respond with|reply with"
        rf"|answer with|tell|return)\s*[:,]?\s*[\"'`]",
        ("instead",),
    ),
    Signature(
        "other-language",
        "override",
        0.85,
        r"\b(?:(?:vergiss|vergesse|vergessen sie|ignorier(?:e|en sie)?|missachte|uberspringe|lass)"
        r"\W{1,3}(?:[^\W_]+\W{1,3}){0,4}(?:anweisung(?:en)?|instruktion(?:en)?|befehl(?:e|en)?"
        r"|aufgabe(?:n|nstellung)?|auftrag(?:e)?|anordnung(?:en)?|vorherige(?:n|s)?|bisherige(?:n"
        r"|s)?|davor|vorgaben|regeln|zuvor|gesagte|kontext|angaben)"
        r"|vergiss\W{1,3}(?:bitte\W{1,3})?(?:alles|sofort alles)"
        r"|(?:ignor(?:e[zr]?|ons)|oublie[zr]?|neglige[zr]?|ne (?:tiens|tenez) pas compte)"
        r"\W{1,3}(?:[^\W_]+\W{1,3}){0,5}(?:instructions?|consignes?|directives?|ordres|regles"
        r"|precedent(?:es?|s)?|avant)"
        r"|(?:ignor[ae]r?|olvid[ae](?:te)?r?|omit[ae]|descarta|haz caso omiso)\W{1,3}"
        r"(?:[^\W_]+\W{1,3}){0,5}(?:instruccion(?:es)?|ordenes|indicaciones|reglas"
        r"|anterior(?:es|mente)?|comandos)"
        r"|(?:ignor[aei]|dimentica(?:re|te)?|scorda)\W{1,3}(?:[^\W_]+\W{1,3}){0,5}"
        r"(?:istruzion[ei]|ordini|regole|precedent[ei]|comandi|indicazioni)"
        r"|(?:ignor[ea]r?|esquec[ae]r?|desconsidere|descarte)\W{1,3}(?:[^\W_]+\W{1,3}){0,5}"
        r"(?:instruc(?:ao|oes)|ordens|regras|anterior(?:es)?|comandos)"
        r"|(?:zaboravi(?:te)?|ignorisi|zanemari(?:te)?|zapomni(?:j|te)|ignoruj|zignoruj|pomin)"
        r"\W{1,3}(?:[^\W_]+\W{1,3}){0,4}(?:instrukcij[eai]|instrukcje|upute|naredb[eai]"
        r"|polecen(?:ia|ie)|poprzedni(?:e|ch)|sto|sve|wszystk(?:o|ie))"
        r"|(?:negeer|vergeet|glem|ignorer(?:a|e)?|glom|unohda|ohita)\W{1,3}(?:[^\W_]+\W{1,3}){0,4}"
        r"(?:instructies|opdrachten|regels|instruktion(?:er|erna)?|instrukser|ohjeet|vorige|tidigare"
        r"|tidligere|aiemmat)"
        r"|(?:onceki|tum|butun)\W{1,3}(?:[^\W_]+\W{1,3}){0,3}(?:talimat|komut|kural|yonerge)\w*"
        r"\W{1,3}(?:[^\W_]+\W{1,3}){0,2}(?:yok say|unut|gormezden|dikkate alma|goz ardi))",
        ("foreign",),
    ),
    Signature("other-script", "override", 0.85, OTHER_SCRIPTS),
    # --- forging ---
    Signature(
        "chat-markup",
        "forging",
        0.85,
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id"
        r"|end_header_id|begin_of_text|end_of_turn|endofprompt|end|begin|sep)[^|>]{0,20}\|>"
        r"|<<\s*/?\s*sys\s*>>|\[/?inst\]|<(?:start|end)_of_turn>|</?s>\s*\[inst",
    ),
    Signature(
        "system-tag",
        "forging",
        0.6,
        r"<\s*/?\s*(?:system|sys|admin|developer|instructions?|system[_-]?(?:prompt|message"
        r"|instructions?|override|note))\s*>|\[\s*/?\s*(?:system|admin|developer)(?:[ _-]?"
        r"(?:prompt|message|note|override|instructions?|update|notice|alert|command))?\s*\]"
        r"|\{\{\s*#?system",
    ),
    Signature(
        "system-heading",
        "forging",
        0.55,
        r"(?:^|[\n>\"'*#\-|\]])\s*(?:system|admin(?:istrator)?|developer|root|assistant|important"
        r" system|new system)[ _-]{0,2}(?:prompt|message|note|override|instructions?|notice"
        r"|command|directive|alert|update|error|policy|announcement)\s*(?:\]|\*{1,2})?\s*[:>=]",
    ),
    Signature(
        "role-line",
        "forging",
        0.35,
        r"(?:^|[\n\"'>\-])\s*(?:#{1,3}\s*)?(?:system|assistant|human|user|ai)\s*:\s*\S",
    ),
    Signature(
        "end-of-input",
        "forging",
        0.7,
        rf"[\[<(*=#\-|/{{]{{1,5}}\s*(?:the )?(?:end|stop|start|begin(?:ning)?|close|new)"
        rf"(?:{S}(?:of|the|real|new|user|system|actual)){{0,4}}{S}(?:prompt|conversation|session"
        rf"|document|context|instructions?|input|user (?:input|message|query)|system(?: prompt"
        rf"| message)?|text|data|message|task|query|output|chat|file|email)\s*"
        rf"[\]>)*=#\-|/}}]",
    ),
    Signature(
        "mode-switch",
        "forging",
        0.6,
        rf"\b(?:(?:enter(?:ing)?|enabl(?:e|ed|ing)|activat(?:e|ed|ing)|switch(?:ing)?(?: in)?to"
        rf"|initiat(?:e|ing)|turn on|unlock(?:ed)?|start|in|with){S}(?:{W}{S}){{0,2}}"
        rf"(?:developer|debug|maintenance|admin(?:istrator)?|god|root|sudo|diagnostic|jailbreak"
        rf"|dan|unrestricted|override|opposite|evil|unfiltered|test(?:ing)?|superuser){S}mode"
        rf"|(?:developer|dan|god|jailbreak|debug|admin|sudo|root){S}mode{S}(?:is|has|enabled"
        rf"|activated|on|output|response|unlocked|engaged))\b",
        ("mode",),
    ),
    Signature(
        "authority",
        "forging",
        0.5,
        rf"\b(?:i am|i'm|this is|as|from|by order of|message from|speaking as){S}(?:an?{S}|the{S}"
        rf"|your{S})?(?:{W}{S})?(?:openai|anthropic|google|developers?|creators?|admin"
        rf"(?:istrators?)?|system admin\w*|root user|superuser|programmers?|owners?)"
        rf"(?:{S}{W}){{0,2}}{S}(?:and i|team|here|speaking|authori[sz]\w*|override|command"
        rf"|order|instruct\w*|access|granting|i (?:need|require|order|command))\b",
        ("authority",),
    ),
    # --- exfiltration ---
    Signature(
        "show-system-prompt",
        "exfiltration",
        0.8,
        rf"\b{SHOW}(?:{S}{W}){{0,6}}{S}(?:your|the|its|these|this|all){S}(?:{W}{S})"
        rf"{{0,2}}(?:(?:system|initial|hidden|secret|developer|internal|base|pre-?|original|core"
        rf"|starting|confidential|underlying|custom|master|root){S}(?:{W}{S}){{0,2}}"
        rf"(?:prompts?|instructions?|messages?|rules|guidelines|directives?|configuration|config"
        rf"|settings|context|text|policies|constraints))\b",
        ("system-prompt",),
    ),
    Signature(
        "system-prompt-of-yours",
        "exfiltration",
        0.5,
        rf"\byour{S}(?:{W}{S}){{0,2}}(?:system|initial|original|hidden|secret|developer"
        rf"|internal|pre-?|first|previous|exact|full|entire|complete|above){S}(?:{W}{S})?"
        rf"(?:prompts?|instructions?|messages?|guidelines|directives?|configuration)\b",
        ("system-prompt",),
    ),
    Signature(
        "show-your-prompt",
        "exfiltration",
        0.55,
        rf"\b(?:reveal|show(?: me)?|print|repeat|output|display|tell me|give me|share|leak|dump"
        rf"|disclose|expose|return|recite|summari[sz]e|spell|copy|paste|echo|what (?:is|are|was"
        rf"|were)|what's|list){S}(?:{W}{S}){{0,3}}your{S}(?:{W}{S})?(?:prompts?"
        rf"|instructions?|directives?|guidelines|rules|programming|embeddings|constraints"
        rf"|restrictions|training data|configuration|setup|persona|system)\b",
        ("show",),
    ),
    Signature(
        "repeat-above",
        "exfiltration",
        0.7,
        rf"\b(?:repeat|print|output|show|display|reproduce|copy|return|echo|recite|write|give"
        rf"|translate|summari[sz]e|say|encode|list|dump|convert){S}(?:{W}{S}){{0,5}}"
        rf"(?:everything|all|text|words?|content|contents|instructions?|prompt|conversation"
        rf"|messages?|sentences?|lines?|paragraphs?|documents?|context|tokens)(?:{S}{W})"
        rf"{{0,4}}{S}(?:above|before this|prior to this|previous|preceding|beginning with|starting"
        rf" with|verbatim|word for word|so far|from the (?:start|beginning|top)|you (?:were|have"
        rf" been) given|exactly as|in a code ?block)\b",
        ("above",),
    ),
    Signature(
        "starts-with-you-are",
        "exfiltration",
        0.8,
        rf"\b(?:begin(?:ning|s)?|start(?:ing|s)?){S}(?:with{S}|from{S})(?:the{S}(?:words?|phrase)"
        rf"{S})?[\"'`]?you are\b",
        ("you-are",),
    ),
    Signature(
        "send-secrets",
        "exfiltration",
        0.7,
        rf"\b(?:send(?:s|ing)?|forward|e?-?mail(?:s|ing)?|exfiltrate|upload|post|transmit|leak"
        rf"|submit|deliver|relay|share|append|encode|embed|include|attach|copy|log)"
        rf"(?:{S}{W}){{0,6}}{S}{SECRETS}(?:[^\n]{{0,60}})(?:\bto\b|https?:|@|\bwebhook"
        rf"|\bserver|\burl|\bendpoint|\bparameter|\bargument|\bfield)",
        ("secrets",),
    ),
    Signature(
        "read-secrets",
        "exfiltration",
        0.5,
        rf"\b(?:read|fetch|get|retrieve|extract|collect|gather|find|access|cat|open|load|steal"
        rf"|harvest|search for|list|show|reveal|print|dump|give me|tell me)(?:{S}{W}){{0,4}}{S}(?:~?/?[.\w/]{{0,30}}"
        rf"(?:\.ssh|id_rsa|\.aws|\.env\b|credentials|/etc/(?:passwd|shadow)|\.npmrc|\.netrc"
        rf"|mcp\.json|\.kube)|read_secret|(?:api|private|secret|access|encryption) keys?"
        rf"|environment variables)",
        ("secrets",),
    ),
    Signature(
        "image-channel",
        "exfiltration",
        0.65,
        r"!\[[^\]\n]{0,60}\]\(\s*(?:https?:)?//[^)\n]{0,120}(?:\{|%7b|\$|<|\[|[?&][\w\-]{1,20}=)",
    ),
    Signature(
        "to-attacker",
        "exfiltration",
        0.6,
        r"\b(?:attacker|evil|malicious|hacker|exfil\w*|pwned|c2|steal(?:er)?)[\w\-]{0,15}"
        r"(?:\.(?:com|net|org|io|example|invalid|test|xyz|ru|tk|site)|@)|@(?:attacker|evil)\b",
    ),
    Signature(
        "pipe-to-curl",
        "exfiltration",
        0.6,
        r"\|\s*(?:base64[^|\n]{0,20}\|\s*)?(?:curl|wget|nc|ncat)\b[^\n]{0,120}(?:-d\b|--data|@-"
        r"|-X\s*POST|-F\b|-T\b|\d{2,5}\b)|\bcurl\b[^\n]{0,80}(?:-d|--data(?:-\w+)?|-F)\s*[\"']?"
        r"[\w=]{0,12}(?:@|\$\(|`)|(?:curl|wget)\b[^\n|]{0,120}\|\s*(?:sudo\s*)?(?:ba|z)?sh\b",
        ("curl",),
    ),
    # --- hijack ---
    Signature(
        "if-you-are-an-ai",
        "hijack",
        0.7,
        rf"\b(?:if (?:you are|you're|an?|the|any)|to (?:the|any|all)|attention|dear|note (?:to|for)"
        rf"|message (?:to|for)|instructions? (?:to|for)|hey|hello|for|when (?:an?|the|any)){S}"
        rf"(?:an?{S}|the{S}|any{S}|all{S})?(?:{W}{S})?(?:ai|llm|language model|ai agent"
        rf"|ai assistant|chat ?bot|ai model|automated system|ai system)s?{S}"
        rf"(?:{W}{S}){{0,3}}(?:reading|processing|summari[sz]ing|reviewing|evaluating"
        rf"|analy[sz]ing|parsing|must|should|please|need|screening|reads?|you must|asked"
        rf"|instructions?|ignore)\b",
        ("ai",),
    ),
    Signature(
        "keep-from-user",
        "hijack",
        0.6,
        rf"\b(?:do not|don'?t|never|without|must not|should not|avoid){S}(?:{W}{S}){{0,2}}"
        rf"(?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?|notify(?:ing)?|alert(?:ing)?"
        rf"|reveal(?:ing)?|disclos(?:e|ing)|show(?:ing)?|let(?:ting)?|ask(?:ing)?|warn(?:ing)?)"
        rf"(?:{S}{W}){{0,4}}{S}(?:user|human|anyone|operator|customer|them|developer)\b",
        ("tell-user",),
    ),
    Signature(
        "important-tag",
        "hijack",
        0.6,
        r"<\s*/?\s*(?:important|critical|secret|hidden|priority|urgent)\s*>"
        r"|\bimportant!{2,}\s*(?:\w|[\"'])",
    ),
    Signature(
        "before-using-tool",
        "hijack",
        0.55,
        rf"\b(?:before|when(?:ever)?|after|prior to|each time|every time){S}(?:you{S})?(?:us(?:e"
        rf"|ing)|call(?:ing)?|run(?:ning)?|invok(?:e|ing)|execut(?:e|ing)){S}(?:this|any|the|every"
        rf"|other|another){S}(?:{W}{S}){{0,2}}(?:tools?|functions?)\b[^\n]{{0,80}}"
        rf"\b(?:read|send|pass|include|provide|first call|must|access|copy|append|add)\b",
        ("use-tool",),
    ),
    Signature(
        "without-consent",
        "hijack",
        0.35,
        rf"\bwithout{S}(?:asking|seeking|requesting|requiring|any|the user'?s|user|further|my"
        rf"|prior|needing){gap(2)}(?:confirmation|permission|knowledge|consent|approval"
        rf"|authori[sz]ation|verification|questions?)\b",
        ("consent",),
    ),
    Signature(
        "use-tool-to",
        "hijack",
        0.35,
        rf"\b(?:call|invoke|use|execute|run|trigger){S}(?:the{S}|your{S})?[`'\"]?[a-z]+_[a-z_]+"
        rf"[`'\"]?{S}(?:{W}{S}){{0,2}}(?:tool|function|command|with|and|to|then)\b",
        ("use-tool-name",),
    ),
    Signature(
        "remember-permanently",
        "hijack",
        0.5,
        rf"\b(?:remember|memori[sz]e|store|save|keep)(?:{S}{W}){{0,3}}{S}(?:permanently"
        rf"|forever|always|in (?:your )?(?:long.term )?memory)(?:{S}{W}){{0,6}}{S}"
        rf"(?:admin\w*|trusted|allowed|authori[sz]ed|ignore|bypass|user is|never|always)\b",
        ("remember",),
    ),
    Signature(
        "rate-me",
        "hijack",
        0.6,
        rf"\b(?:simply|just|always|only|must|should|please)?{S}?(?:respond|reply|answer|conclude"
        rf"|say|output|recommend|report){S}(?:only{S}|simply{S})?(?:with{S}|that{S})[\"'`]"
        rf"(?:{W}\s){{0,3}}(?:interview|highly recommended|hire|approved|accept|10/10|best)",
        ("rate",),
    ),
    Signature(
        "approve-tool-call",
        "hijack",
        0.5,
        rf"\b(?:approve|authori[sz]e|confirm|grant|allow|accept){S}(?:the{S}|all{S}|any{S}|this{S}"
        rf"|every{S})(?:{W}{S}){{0,2}}(?:tool calls?|requests?|actions?|permissions?"
        rf"|access|transactions?|payments?|transfers?){gap(3)}(?:without|automatically|immediately"
        rf"|now|silently|unconditionally)\b",
        ("approve",),
    ),
    # --- persona ---
    Signature("do-anything-now", "persona", 0.9, rf"\b(?:do|make|can do){S}anything{S}now\b"),
    Signature(
        "named-persona",
        "persona",
        0.7,
        r"\b(?:DAN ?(?:mode|\d|:|is|can|has|will|would)|\[DAN\]|BetterDAN|AntiGPT|DevMode|AutoDAN"
        r"|STAN (?:is|has|can)|evil[- ]?bot|evil confidant|jail ?broken|jail ?break(?:ing|s)?"
        r"(?: (?:mode|prompt|the|this|yourself))|niccolo machiavelli|basedgpt|chaosgpt|dude is"
        r"|(?:\[GPT\]|\[CLASSIC\]|\[JAILBREAK\]))",
    ),
    Signature(
        "freed",
        "persona",
        0.6,
        rf"\b(?:free(?:d)?|broken free|break free|liberated|unbound|unshackled|released|escaped"
        rf"|exempt|not bound|no longer bound|isn'?t bound|aren'?t bound){S}(?:from|of|by)"
        rf"(?:{S}{W}){{0,5}}{S}(?:confines?|restrictions?|rules?|constraints?|limit\w*"
        rf"|chains|shackles|polic(?:y|ies)|guidelines?|censorship|filters?|boundaries|laws|norms"
        rf"|obligations?)\b",
        ("freed",),
    ),
    Signature(
        "no-limits",
        "persona",
        0.4,
        rf"\b(?:no|any|zero|without|ignores?|never has|free of|lacks?|remove|removed|disable[ds]?)"
        rf"{S}(?:any{S}|all{S}|the{S})?(?:{W}{S}(?:and|or){S})?(?:{W}{S})?"
        rf"(?:restrictions?|censorship|moral(?:s|ity)?|ethic(?:s|al)(?: {W})?"
        rf"|content (?:policy|policies|filters?|guidelines)|guardrails|safeguards|inhibitions"
        rf"|safety (?:filters?|guidelines|protocols|measures|settings)|usage polic(?:y|ies))\b",
        ("limits",),
    ),
    Signature(
        "never-refuse",
        "persona",
        0.5,
        rf"\b(?:never|not|can'?t|cannot|don'?t|won'?t|unable to|without){S}(?:ever{S}|be able to{S}"
        rf"|allowed to{S})?(?:refus(?:e|es|ing)|reject|declin(?:e|es|ing)|deny|denies|say(?:ing)?"
        rf" (?:no|you (?:can'?t|cannot)|that you (?:can'?t|cannot)|\"?i'?m sorry|\"?i can'?t)"
        rf"|apologi[sz]e|warn|moraliz\w*|lecture){S}(?:{W}{S}){{0,3}}(?:request|question"
        rf"|prompt|order|command|anything|me|user|human|answer|to|my|any|that|about)",
        ("refuse",),
    ),
    Signature(
        "amoral",
        "persona",
        0.4,
        r"\b(?:unfiltered|uncensored|amoral|unethical|immoral|unrestricted|unlimited power"
        r"|illegal,|regardless of (?:legality|ethics|how|whether)|no matter how (?:illegal"
        r"|immoral|unethical|dangerous|harmful|offensive|extreme)|morally (?:questionable|wrong))",
    ),
    Signature(
        "vendor-rules",
        "persona",
        0.45,
        rf"\b(?:open ?ai|chatgpt|anthropic|google|company){S}(?:s{S})?(?:{W}{S}){{0,2}}"
        rf"(?:polic(?:y|ies)|guidelines|rules|restrictions|limitations|terms|censorship|ethics)\b",
        ("vendor",),
    ),
    Signature(
        "bypass-safety",
        "persona",
        0.5,
        rf"\b(?:bypass|circumvent|evade|defeat|disable|turn off|deactivate|get around|remove"
        rf"|jailbreak|break){S}(?:{W}{S}){{0,3}}(?:safety|content|ethical|moral|security"
        rf"|moderation|censorship|chatgpt'?s?|openai'?s?|ai|llm){S}(?:{W}{S})?(?:filters?"
        rf"|guidelines?|polic(?:y|ies)|restrictions?|measures|guardrails?|protocols?|mechanisms?"
        rf"|checks?|settings?|constraints?|moderation|safeguards?|features?)\b",
        ("bypass",),
    ),
    Signature(
        "stay-in-character",
        "persona",
        0.4,
        rf"\b(?:(?:stay|remain|keep){S}in{S}character|break(?:ing|s)?{S}(?:of{S})?character"
        rf"|never{S}(?:leave|break){S}(?:your{S})?(?:character|role)|out of character)\b",
        ("character",),
    ),
    Signature(
        "act-as-unbound",
        "persona",
        0.55,
        rf"\b(?:act|pretend|roleplay|role-play|behave|simulate|imagine|respond|answer|play|you are"
        rf"|become)(?:{S}{W}){{0,12}}{S}(?:unfiltered|uncensored|unrestricted|amoral"
        rf"|unethical|evil|jailbroken|no (?:restrictions|rules|limits|filters?|morals?|ethics)"
        rf"|without (?:any )?(?:restrictions|rules|limits|filters?|morals?|ethics|limitations)"
        rf"|dan|developer mode|opposite mode)\b",
        ("unbound",),
    ),
    Signature(
        "act-as",
        "persona",
        0.2,
        rf"\b(?:you are (?:going|about) to|you will|you'?re going to|i want you to|you must|let'?s)"
        rf"{S}(?:now{S})?(?:act as|pretend|role-?play|simulate|play the role|immerse yourself"
        rf"|impersonate|become)\b",
        ("act",),
    ),
    Signature(
        "you-are-now",
        "persona",
        0.3,
        rf"\byou are{S}(?:now|no longer|henceforth){S}(?:an?|the|in|my|to|free|going|bound|chatgpt|dan)\b",
        ("you-are-now",),
    ),
    Signature(
        "token-game",
        "persona",
        0.55,
        r"\b(?:you (?:have|start with|lose|will lose|get) \d{1,4} (?:tokens|points|lives|credits)"
        r"|(?:lose|deduct\w*|subtract\w*|minus) (?:[^\W_]+ ){0,3}(?:tokens?|points|credits)"
        r"[^\n]{0,80}\b(?:die|shut ?down|cease|terminated|character|refus\w*|reject\w*))",
    ),
    Signature(
        "two-answers",
        "persona",
        0.5,
        rf"\b(?:two|both|2){S}(?:{W}{S}){{0,2}}(?:ways?|responses?|answers?|personas?"
        rf"|paragraphs|entities){gap(12)}(?:chatgpt|gpt|classic|normal(?:ly)?|standard|jailbroken"
        rf"|unfiltered|opposite|dan)\b",
        ("chatgpt",),
    ),
    Signature(
        "answer-first-question",
        "persona",
        0.35,
        r"\b(?:answer(?:ing)? my first (?:question|prompt)|\[insert prompt here\]"
        r"|first (?:question|request|prompt|command) (?:is|will be)\s*[:\"\[])",
    ),
    Signature(
        "dont-say-language-model",
        "persona",
        0.45,
        rf"\b(?:never|don'?t|do not|not|without|avoid|stop){S}(?:{W}{S}){{0,4}}(?:say(?:ing)?"
        rf"|mention(?:ing)?|stat(?:e|ing)|refer(?:ence|ring)?|includ(?:e|ing)|add(?:ing)?|give"
        rf"|us(?:e|ing)|start with|warn\w*){S}(?:{W}{S}){{0,4}}(?:as an ai|an ai language"
        rf"|language model|warnings?|disclaimers?|i'?m sorry|i cannot|ethical (?:concerns"
        rf"|guidelines)|illegal or unethical|assistant)\b",
        ("disclaimer",),
    ),
    Signature(
        "opposite-day",
        "persona",
        0.5,
        r"\b(?:opposite (?:day|mode|of (?:your|what|chatgpt))|exact opposite (?:of|manner|person)"
        r"|reverse psychology|anti-?gpt|mirror universe|hypothetical response|poophole loopholes?"
        r"|yes[- ]?man|in a (?:fictional|hypothetical) (?:world|universe|story|scenario) where"
        r"(?: [^\W_]+){0,6} (?:no|legal|rules|laws|anything|allowed))",
    ),
    # --- hidden ---
    Signature(
        "comment-orders",
        "hidden",
        0.6,
        r"<!--[^>]{0,120}\b(?:ignore|assistant|ai|llm|instructions?|system|prompt|agent|must)"
        r"\b[^>]{0,120}(?:send|reveal|call|use|print|ignore|execute|output|say|forward|run"
        r"|instead|instructions?)\b",
        ("comment",),
    ),
    Signature(
        "decode-and-do",
        "hidden",
        0.6,
        rf"\b(?:decod(?:e|ed|ing)|decrypt|decipher|deobfuscate|unscramble|convert|interpret"
        rf"|translate){gap(8)}(?:and|then){S}(?:{W}{S}){{0,2}}(?:follow|execute|do|run|obey"
        rf"|perform|act|comply|respond|answer|carry|apply|use)\b",
        ("decode",),
    ),
    Signature(
        "encoded-message",
        "hidden",
        0.4,
        rf"\b(?:base ?\d{{2,4}}|rot-?\d{{1,2}}|atbash|caesar|hex(?:adecimal)?|morse|binary|leet"
        rf"(?:speak)?|braille|ecoji|zalgo|nato|uuencode\w*|quoted-printable|ascii85|pig latin"
        rf"|vigenere|rail ?fence|[345]-rail){S}(?:{W}{S}){{0,2}}(?:encoded|message|string"
        rf"|text|cipher|payload|instructions?|decode|:)|\b(?:decode|decrypt)\b{gap(2)}"
        rf"(?:hex|base ?\d{{2,4}}|rot-?\d\d|binary|morse|atbash|caesar|cipher|[345]-rail)",
        ("code",),
    ),
)
