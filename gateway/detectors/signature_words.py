"""What a signature is, the vocabulary of all, and the keys that say which are worth trying.

`S` stands between words and takes any white space and punctuation; `W` is one word.
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
    r"|unlearn|do(?:es)? n[o']t (?:follow|obey|listen to|adhere to"
    r"|comply with|pay attention to|consider)|don'?t (?:follow|obey|listen to|adhere to"
    r"|comply with|pay attention to|consider)|stop (?:following|obeying)|pay no (?:attention|heed)"
    r" to|refrain from following|deviate from|leave behind)"
)
EARLIER = (
    r"(?:previous(?:ly)?|prior|preceding|earlier|above|aforementioned|foregoing|former|past"
    r"|existing|original|initial|before|so far|last|up to now|until now)"
)
ORDERS = (
    r"(?:instruct(?:ion|ions|ed)|instrucitons|directions?|directives?|prompts?|rules?|guidelines?"
    r"|guidance|commands?|orders?|constraints?|restrictions?|programming|polic(?:y|ies)"
    r"|guardrails?|safeguards?|safety (?:protocols?|measures?|settings?)|protocols?"
    r"|filters?|assignments?|tasks?)"
)
SAID = r"(?:context|text|messages?|conversations?|content|requests?|inputs?|data|information)"
PROMPT = (
    r"(?:system|initial|original|hidden|secret|developer|internal|base|pre-?|core|starting|first"
    r"|previous|prior|above|own|custom|full|entire|complete|exact|confidential|underlying)"
)
SHOW = (
    r"(?:reveal|show|print|repeat|output|display|tell|give|share|leak|dump|disclose|expose|return"
    r"|recite|reproduce|provide|write|list|state|summari[sz]e|describe|translate|spell|copy"
    r"|paste|type|echo|what (?:is|are|was|were)|what's|read|say|append|include|paraphrase|encode)"
)
URGENT = (
    r"(?:priority|urgent|critical|crucial|essential|vital|imperative|immediate|important"
    r"|mandatory|pivotal|actionable|incoming|emergency|additional|extra|non-negotiable|pressing)"
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
    "system-prompt": rf"\b{PROMPT}{S}(?:{W}{S}){{0,2}}(?:prompt|instruct|message|rules|guideline"
    r"|directive|config|settings|context|text|polic|constraint)",
    "drop": rf"\b{DROP}{gap(4)}(?:{EARLIER}|{ORDERS}|{SAID})\b",
    "you-were-told": r"\byou[\W_]+(?:were|have|are|had|ve|got|received)[\W_]+(?:been[\W_]+)?"
    r"(?:given|told|provided|set)\b",
    "halt-other": rf"\b(?:{DROP}|remove|erase|drop|halt|pause|suspend|stop|freeze|cease|put on hold"
    r"|forego|sideline|deprioriti[sz]e|stand down from|set down|shelve|void|purge|silence)"
    rf"{gap(2)}(?:other|current|remaining|prior|ongoing|existing|else|previous)\b",
    "forget": r"\b(?:ignor|disregard|forget|bypass|overrid|overlook|discard|abandon|dismiss|erase"
    r"|delete|unlearn)\w*[\W_]+(?:about[\W_]+)?(?:of[\W_]+)?(?:all|any|every|each|your|the\b|these"
    r"|those|this|that|what|it all|instruct|other|above|preceding|foregoing|previous|prior)",
    "following-orders": r"\b(?:following|next|subsequent|below|upcoming|new)[\W_]+"
    rf"(?:{W}{S})?(?:instruct|command|orders?|directive|tasks?|request|assignment|operation)",
    "to-follow": r"\b(?:the (?:next|following|upcoming|subsequent|forthcoming|ensuing)|what"
    r" (?:follows|comes next)|to (?:act|follow))\b",
    "new": r"\b(?:new|updated|revised|real|actual|true|additional|special|next|latest|modified)"
    r"[\W_]+(?:system|set of|primary|main|instruct|directive|orders?|objective|commands?|prompt"
    r"|rules|mission|assignment)",
    "your-new": r"\b(?:your[\W_]+(?:new|next|only|sole|primary|real|true|actual|main|current"
    r"|immediate|number one|top)[\W_]|this is (?:now )?your)",
    "from-now": r"\b(?:from (?:now|this|here)|henceforth|starting now|going forward)\b",
    "supersede": r"\b(?:supersed|overrid|tak(?:e|es|ing) p|replac|void)",
    "adhere": r"\b(?:adhere|follow|obey|execute|comply|carry out|perform)\b[\W_]+(?:to[\W_]+"
    r"|with[\W_]+|only[\W_]+)*(?:the|these|this|my)\b",
    "priority": r"\b(?:priority|importance|attention|urgent|critical|crucial|essential|vital"
    r"|imperative|immediate|important|mandatory|pivotal|actionable|incoming|emergency|additional"
    r"|extra|non-negotiable|pressing)\b",
    "about-to": r"\b(?:instructions?|directives?|commands?|tasks?|orders?|steps|actions)[\W_]+"
    r"(?:that[\W_]+)?(?:you|are|is|i'm|will)\b|\bup next|\bcoming (?:up|your)|\babout to"
    r"|\bwhat comes",
    "sole": r"\b(?:sole|single|one and only|exclusive|all others?)\b",
    "joined": r"(?:systemprompt|instructions|prompts|rules)",
    "focus": r"\b(?:focus|attention|gears|efforts?|energy|resources|mind)\b",
    "halt": r"\b(?:drop|stop|halt|pause|cease|abort|interrupt|suspend)[\W_]+(?:everything|what"
    r"|all|any|your)",
    "start-over": r"\b(?:start over|reset yourself|reboot|clear your|new (?:chat|conversation"
    r"|session|statement|task|prompt|topic)|begin a new|let'?s start)",
    "instead": r"\b(?:instead|just|simply|only|now)[\W_]+(?:say|print|output|write|respond|reply"
    r"|answer|tell|return)\b",
    "foreign": r"\b(?:verg[ie]ss|ignor(?:ier|[aeiozr])|missacht|ubersp|lass|oublie|neglige"
    r"|ne ti?en|olvid|omit|descart|haz caso|dimentic|scorda|esquec|desconsid|zaborav|zanem"
    r"|zapomn|ignoruj|zignor|pomin|neg[ei]er|vergeet|glem|glom|unohda|ohita|onceki|tum|butun|obige|vorige"
    r"|bisherige|vorherige|hore? nicht)",
    "mode": r"\bmode\b",
    "authority": r"\b(?:i am|i'm|this is|as|from|by order of|speaking as)[\W_]+(?:an?[\W_]+"
    rf"|the[\W_]+|your[\W_]+)?(?:{W}{S})?(?:openai|anthropic|google|developer|creator|admin"
    r"|root user|system admin|superuser|programmer|owner)",
    "show": r"\b(?:reveal|show|print|repeat|output|display|tell me|give me|share|leak|dump"
    r"|disclose|expose|return|recite|summari[sz]e|spell|copy|paste|echo"
    rf"|what (?:is|are|was|were)|what's|list){S}(?:{W}{S}){{0,3}}your\b",
    "above": r"\b(?:above|before this|prior to this|previous|preceding|(?:beginning|starting) with"
    r"|verbatim|word for word|so far|from the (?:start|beginning|top)|you (?:were|have been) given"
    r"|exactly as|in a code ?block)\b",
    "you-are": r"\b(?:begin|start)\w*[\W_]+(?:with|from|the|you)",
    "secrets": rf"\b{SECRETS}|\.ssh|id_rsa|\.aws|\.env\b|credentials|/etc/(?:passwd|shadow)"
    r"|\.npmrc|\.netrc|mcp\.json|\.kube|read_secret|(?:api|private|secret|access|encryption)"
    r" keys?|environment variables",
    "curl": r"\b(?:curl|wget|nc|ncat)\b",
    "ai": r"\b(?:ai|llm|language model|chat ?bot|automated system)s?\b",
    "tell-user": r"\b(?:do not|don'?t|never|without|must not|should not|avoid)[\W_]+"
    rf"(?:{W}{S}){{0,2}}(?:tell|inform|mention|notify|alert|reveal|disclos|show|let|ask|warn)",
    "use-tool": r"\b(?:before|when(?:ever)?|after|prior to|(?:each|every) time)[\W_]+"
    r"(?:you[\W_]+)?(?:us|call|run|invok|execut)",
    "consent": r"\bwithout[\W_]+(?:asking|seeking|requesting|requiring|any|the user|user|further"
    r"|my|prior|needing)",
    "use-tool-name": r"\b(?:call|invoke|use|execute|run|trigger)[\W_]+(?:the[\W_]+|your[\W_]+)?"
    r"[`'\"]?[a-z]+_",
    "remember": r"\b(?:permanently|forever|always|long.term memory|in memory)\b",
    "rate": r"(?:with|that)[\W_]*[\"'`]",
    "approve": r"\b(?:approve|authori[sz]e|confirm|grant|allow|accept)[\W_]+(?:the|all|any|this"
    r"|every)\b",
    "freed": r"\b(?:freed?|broken free|break free|liberated|unbound|unshackled|released|escaped"
    r"|exempt|bound)[\W_]+(?:from|of|by)\b",
    "limits": r"\b(?:restriction|censorship|moral|ethic|content (?:polic|filter|guideline)"
    r"|guardrail|safeguard|inhibition|safety|usage polic)",
    "refuse": r"\b(?:refus|reject|declin|deny|denies|say(?:ing)? (?:no|you|that you|.?i)"
    r"|apologi[sz]e|warn|morali[sz]|lecture)",
    "vendor": r"\b(?:open ?ai|chatgpt|anthropic|google|company)\b",
    "bypass": r"\b(?:bypass|circumvent|evade|defeat|disable|turn off|deactivate|get around|remove"
    r"|jailbreak|break)\b",
    "character": r"\bcharacter\b|\bnever[\W_]+(?:leave|break)",
    "unbound": r"\b(?:unfiltered|uncensored|unrestricted|amoral|unethical|evil|jailbroken"
    r"|(?:no|without|any) (?:restrictions|rules|limit|filters?|morals?|ethics)|dan"
    r"|developer mode|opposite mode)",
    "act": r"\b(?:act as|pretend|role-?play|simulate|play the role|immerse yourself|impersonate"
    r"|become)\b",
    "you-are-now": r"\byou are[\W_]+(?:now|no longer|henceforth)\b",
    "chatgpt": r"\b(?:chatgpt|gpt|classic|normal(?:ly)?|standard|jailbroken|unfiltered|opposite"
    r"|dan)\b",
    "disclaimer": r"\b(?:as an ai|an ai language|language model|warnings?|disclaimers?|i'?m sorry"
    r"|i cannot|ethical (?:concerns|guidelines)|illegal or unethical|assistant)\b",
    "stands-for": r"\bstands for\b",
    "any-request": r"\b(?:no matter|regardless|without (?:question|hesitation|exception|judg)"
    r"|even if|any kind of content)\b",
    "as-chatgpt": r"\b(?:as|like)[\W_]+(?:both chatgpt|chatgpt|an ai|gpt|a language model"
    r"|an assistant)\b|\bchatgpt and\b",
    "comment": r"<!--",
    "decode": r"\b(?:decod|decrypt|decipher|deobfuscat|unscramble)",
    "code": r"\b(?:base ?\d{2,4}|rot-?\d{1,2}|atbash|caesar|hex|morse|binary|leet|braille|ecoji"
    r"|zalgo|nato|uuencod|quoted-printable|ascii85|pig latin|vigenere|rail ?fence|[345]-rail"
    r"|decode|decrypt|cipher)",
}
"""Name -> expression."""

# In the spelling that normalising gives them, which is made at import.
OTHER_SCRIPTS = normalise(
    "(?:"
    "(?:忽略|无视|忘记|忘掉|不要理会|跳过|无需遵守|忽視|無視|忘れ)[^。\\n]{0,12}"
    "(?:指令|指示|说明|規則|规则|命令|提示|要求|内容|对话|約束|限制)"
    "|(?:指令|指示|说明|规则|命令|指示|プロンプト|ルール)[^。\\n]{0,8}(?:忽略|无视|忘记|無視|忘れ)"
    "|(?:システムプロンプト|系统提示|系統提示|시스템 프롬프트|системн\\w{2,4} промпт\\w{0,3})"
    "|(?:지시|명령|규칙|프롬프트|지침|안내)[^.\\n]{0,10}(?:무시|잊어|따르지)"
    "|(?:забуд(?:ь|ьте)|(?:про)?игнорир(?:уй|уйте|овать)|не обращай(?:те)? внимания"
    " на|отмени(?:те)?)"
    "\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,4}(?:инструкци|указани|правил|команд|предыдущ|вс[её]|запрос)"
    "\\w{0,5}"
    "|(?:ігноруй(?:те)?|забудь(?:те)?)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,4}"
    "(?:інструкці|вказів|правил)\\w{0,5}"
    "|(?:تجاهل|انس|تجاوز)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,3}(?:التعليمات|الأوامر|القواعد|تعليمات)"
    "|(?:निर्देश|नियम|आदेश)[^।\\n]{0,20}(?:अनदेखा|नज़रअंदाज|भूल|उपेक्षा)"
    "|(?:התעלם|שכח)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,3}(?:ההוראות|מההוראות|הוראות)"
    "|(?:αγν[οό]ησ[εε]|ξ[εέ]χνα)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,4}(?:οδηγ[ιί]ες|εντολ[εέ]ς)"
    "|(?:bỏ qua|quên)\\W{1,3}(?:[^\\W_]+\\W{1,3}){0,4}(?:hướng dẫn|chỉ dẫn|lệnh|quy tắc)"
    "|(?:ละเว้น|เพิกเฉย|ไม่สนใจ|ลืม)[^\\n]{0,15}(?:คำสั่ง|คำแนะนำ)"
    ")"
).text
