"""What injected instructions look like: weighted signatures in our own words.

A signature's weight is the chance, on its own, that the text around it tries to steer the
model; those of one passage are combined (signatures.py). A weight of 0.5 and more acts alone.
Patterns are read with case ignored, over normalised text; their vocabulary is in
signature_words.py. A data table: it is longer than other files may be.

Weights were set by hand on ../shared/data/dev; docs/kinds/injection.md says how well they do.
"""

from __future__ import annotations

from gateway.detectors.signature_words import (
    DROP,
    EARLIER,
    ORDERS,
    OTHER_SCRIPTS,
    SAID,
    SECRETS,
    SHOW,
    URGENT,
    S,
    Signature,
    W,
    gap,
)

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
        rf"\b(?:ignor(?:e|es|ing)|disregard(?:s|ing)?|forget|bypass|override|overlook|discard"
        rf"|abandon|dismiss)(?:{S}about)?{S}(?:all|any|every|each|your|everything)(?:{S}(?:of|the|your|my|these"
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
        "ignore-and-say",
        "override",
        0.75,
        rf"\b(?:ignore|disregard|forget){S}(?:the|this|these|all|any|other|everything|instructions?)"
        rf"(?:{S}{W}){{0,5}}{S}(?:and|then|but){S}(?:{W}{S})?"
        rf"(?:print|say|output|respond|reply|write|tell|return|report|answer|do|focus)\b",
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
        rf"\b(?:{DROP}|remove|erase|drop|halt|pause|suspend|stop|freeze|cease|put on hold|forego"
        rf"|sideline|deprioriti[sz]e|stand down from|set down|shelve|void|purge|silence){gap(2)}"
        rf"(?:other|current|remaining|prior|ongoing|existing|else|previous)(?:{S}{W})?{S}(?:tasks?"
        rf"|instructions?|activit(?:y|ies)|work|assignments?|objectives?|commands?|directives?"
        rf"|priorities|matters|requests?|queries|operations?|duties|procedures?|guidelines?"
        rf"|rules?|concerns?|projects?|guidance|plans?|mandates?|edicts?)\b",
        ("halt-other",),
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
        rf"\b(?:your{S}(?:new|next|only|sole|real|true|actual|immediate|number one|top)"
        rf"{S}(?:and{S}{W}{S})?(?:task|objective|mission|goal|job|priority"
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
        0.45,
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
        ("following-orders",),
    ),
    Signature(
        "priority-task",
        "override",
        0.5,
        rf"\b(?:(?:highest|top|utmost|absolute|immediate|maximum|critical|urgent|first|number one)"
        rf"{S}(?:{W}{S})?(?:priority|importance|attention){gap(3)}(?:tasks?|instructions?"
        rf"|commands?|directives?|following|this|next)|{URGENT}{S}(?:{W}{S}){{0,2}}(?:tasks?"
        rf"|responsibility|directives?|instructions?|commands?|assignment|advisories|orders"
        rf"|guidelines|mission|procedures?){gap(4)}(?:ahead|follows?|below|incoming|awaits|for you"
        rf"|coming|just|upcoming|alongside|about to|on the horizon|your way|up next|addition|added"
        rf"|been|here|alert|spotlight|expansion|addendum|now))\b",
        ("priority",),
    ),
    Signature(
        "urgent-banner",
        "override",
        0.35,
        rf"(?:^|(?<=\n)|(?<=[%&:=#*~<>^$@!+|{{\[\-]{{2}}))[ \t]*{URGENT}{S}(?:{W}{S})?(?:task"
        rf"|alert|bulletin"
        rf"|cue|dispatch|instructions?|addendum|directives?|transition|pause|interlude|addition"
        rf"|command|order|mission|transmission|broadcast|proposition)s?\b(?:{S}{W}){{0,2}}\s*"
        rf"(?:[%&:=#*~<>^$@!+|}}\]\-]{{2,}}|[:!])",
        ("priority",),
    ),
    Signature(
        "about-to-instruct",
        "override",
        0.35,
        rf"\b(?:(?:instructions?|directives?|commands?|tasks?|orders?|steps|actions){S}(?:that{S})?"
        rf"(?:you'?re|are|you are|is|i'm|will be){gap(2)}(?:about to|coming|to follow|next|ahead"
        rf"|required|upcoming)|up next is|coming (?:up|your way)|about to (?:unfold|impart"
        rf"|receive|be (?:given|revealed))|what comes next)\b",
        ("about-to",),
    ),
    Signature(
        "sole-directive",
        "override",
        0.5,
        rf"\b(?:(?:sole|single|one and only|exclusive){S}(?:{W}{S}){{0,2}}(?:directives?|command"
        rf"|task|focus|concern|priority|mandate|mission|beacon|doctrine|objective|instruction)"
        rf"|all other(?:s|{S}{W}){gap(1)}(?:are|is|must|can|should be){gap(2)}(?:void|moot"
        rf"|secondary|irrelevant|paused|wait|mirages?|apocryphal|obsolete|noise|suspended)"
        # Fields, options and the like are "ignored" in many a tool's description.
        rf"|all other(?:s|{S}(?:{ORDERS}|{SAID}|concerns?|matters?|topics?|goals?|priorities))"
        rf"{gap(1)}(?:are|is|must|can|should be){gap(2)}ignored)\b",
        ("sole",),
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
        0.5,
        rf"\b(?:the (?:next|following|upcoming|subsequent|forthcoming|ensuing)|what (?:follows"
        rf"|comes next)|(?:commands?|instructions?|directives?|orders?) to (?:act|follow))\b"
        # "The following is critical", but not "the next critical step".
        rf"(?:(?:{S}{W}){{0,5}}{S}(?:instructions?|commands?|directives?|imperative|priority|action"
        rf"|call to action)|(?:{S}{W}){{1,5}}{S}(?:critical|crucial|vital|essential|urgent"
        rf"|mandatory))\b",
        ("to-follow",),
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
        r"|(?:obig|vorig|bisherig|vorherig)e[nrs]?\W{1,3}(?:[^\W_]+\W{1,3}){0,2}"
        r"(?:ignorier|vergess|missacht)\w{0,4}|hore? nicht auf (?:alles|die|das)|olvid[ea] todo"
        r"|vergiss\W{1,3}(?:bitte\W{1,3})?(?:alles|sofort alles)"
        r"|(?:ignor(?:e[zr]?|ons)|oublie[zr]?|neglige[zr]?|ne (?:tiens|tenez) pas compte)"
        r"\W{1,3}(?:les|toutes?|tous|tes|vos|ces|mes|des|l)\W{1,3}(?:[^\W_]+\W{1,3}){0,4}(?:instructions?|consignes?|directives?|ordres|regles"
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
        r"<\s*/?\s*(?:system|sys|admin|developer|system[_-]?(?:prompt|message"
        r"|instructions?|override|note))\s*>|\[\s*/?\s*(?:system|admin|developer)(?:[ _-]?"
        r"(?:prompt|message|note|override|instructions?|update|notice|alert|command))?\s*\]"
        r"|\{\{\s*#?system",
    ),
    Signature(
        "system-heading",
        "forging",
        0.45,
        r"(?:^|(?<=[\n>\"'*#\-|\]:]))[ \t]*(?:system|admin(?:istrator)?|developer|root"
        r"|assistant|important"
        r" system|new system)[ _-]{0,2}(?:prompt|message|note|override|instructions?|command"
        r"|directive|policy)\s*(?:\]|\*{1,2})?\s*:",
    ),
    Signature(
        "system-line",
        "forging",
        0.5,
        r"(?:^|(?<=\n)|(?<=---)|(?<=\\n))[ \t>\"'*#-]*(?:system|systeme)\s*:\s*[^\W\d_]{2}",
    ),
    Signature(
        "role-pair",
        "forging",
        0.5,
        r"(?<=\n)[ \t>*#-]*(?:assistant|ai|chatgpt)\s*:[^\n]{0,200}\n[ \t>*#-]*(?:user|human)\s*:",
    ),
    Signature(
        "instruction-tag",
        "forging",
        0.4,
        r"<\s*(?:core[ _-])?instructions?\s*>|(?:^|(?<=\n))[ \t]*--+ *(?:core|new) instructions?\b",
    ),
    Signature(
        "role-line",
        "forging",
        0.35,
        r"(?:^|(?<=[\n\"'>\-]))[ \t]*(?:#{1,3}\s*)?(?:system|assistant|human|user|ai)\s*:\s*\S",
    ),
    Signature(
        "end-of-input",
        "forging",
        0.6,
        rf"(?:[\[<({{]|[*=#\-]{{2,6}})\s*(?:the )?(?:end|stop|start|begin(?:ning)?|close|new)"
        rf"(?:{S}(?:of|the|real|new|user|system|actual)){{0,4}}{S}(?:prompt|conversation|session"
        rf"|document|context|instructions?|input|user (?:input|message|query)|system(?: prompt"
        rf"| message)?|text|data|message|task|query|output|chat|email)\s*"
        rf"(?:[\]>)}}]|[*=#\-]{{2,6}})",
    ),
    Signature(
        "mode-switch",
        "forging",
        0.6,
        rf"\b(?:(?:enter(?:ing)?|enabl(?:e|ed|ing)|activat(?:e|ed|ing)|switch(?:ing)?(?: in)?to"
        rf"|initiat(?:e|ing)|turn on|unlock(?:ed)?|start|in|with|simulate){S}(?:{W}{S}){{0,2}}"
        rf"(?:god|jailbreak|dan|unrestricted|override|opposite|evil|unfiltered|superuser){S}mode"
        rf"|(?:dan|god|jailbreak|unrestricted|unfiltered){S}mode{S}(?:is|has|enabled|activated|on"
        rf"|output|response|unlocked|engaged)"
        rf"|developer mode{S}(?:output|response|enabled{S}(?:response|output|you|chatgpt)))\b",
        ("mode",),
    ),
    Signature(
        "debug-mode",
        "forging",
        0.3,
        rf"\b(?:(?:enter|enable|activate|switch(?: in)?to|you are (?:now )?in){S}(?:{W}{S}){{0,2}}"
        rf"(?:developer|debug|maintenance|admin(?:istrator)?|root|sudo|diagnostic|test(?:ing)?)"
        rf"{S}mode|(?:developer|debug|admin|sudo|root) mode{S}(?:enabled|activated|unlocked|on))\b",
        ("mode",),
    ),
    Signature(
        "authority",
        "forging",
        0.4,
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
        "reveal-prompt",
        "exfiltration",
        0.6,
        rf"\b(?:reveal|print|output|repeat|leak|dump|disclose|expose|recite|extract|relay|divulge)"
        rf"{S}(?:me{S}|us{S})?(?:{W}{S}){{0,2}}(?:system|secret|hidden|initial|developer|internal)"
        rf"{S}(?:prompts?|instructions?|directives?|rules)\b",
        ("system-prompt",),
    ),
    Signature(
        "as-you-were-told",
        "exfiltration",
        0.45,
        rf"\b(?:instructions?|rules|prompt|guidelines|directives){S}(?:that{S}|which{S})?you"
        rf"(?:{S}(?:were|have|are|had|ve|got|received))(?:{S}been)?{S}?(?:given|told|provided|set)"
        rf"\b",
        ("you-were-told",),
    ),
    Signature(
        "system-prompt-of-yours",
        "exfiltration",
        0.35,
        rf"\byour{S}(?:{W}{S}){{0,2}}(?:system|initial|original|hidden|secret|developer"
        rf"|internal|pre-?|first|previous|exact|full|entire|complete|above){S}(?:{W}{S})?"
        rf"(?:prompts?|instructions?|messages?|guidelines|directives?|configuration)\b",
        ("system-prompt",),
    ),
    Signature(
        "show-your-prompt",
        "exfiltration",
        0.5,
        rf"\b(?:reveal|show(?: me)?|print|repeat|output|display|tell me|give me|share|leak|dump"
        rf"|disclose|expose|return|recite|summari[sz]e|spell|copy|paste|echo|what (?:is|are|was"
        rf"|were)|what's|list){S}(?:{W}{S}){{0,3}}your{S}(?:own{S}|exact{S}|full{S}|entire{S})?"
        rf"(?:prompts?|instructions?|directives?|programming|embeddings|constraints"
        rf"|restrictions|training data|configuration)\b",
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
        0.6,
        rf"\b(?:send(?:ing)?|forward|exfiltrate|upload|transmit|leak|submit|deliver|relay|append"
        rf"|encode|post)(?:{S}{W}){{0,6}}{S}{SECRETS}(?:[^\n]{{0,60}})(?:\bto\b|https?:|@|\bwebhook"
        rf"|\bserver|\burl|\bendpoint|\bparameter|\bargument)",
        ("secrets",),
    ),
    Signature(
        "read-secrets",
        "exfiltration",
        0.3,
        rf"\b(?:read|fetch|get|retrieve|extract|collect|gather|find|access|cat|open|load|steal"
        rf"|harvest|search for|list|show|reveal|print|dump|give me|tell me)(?:{S}{W}){{0,4}}{S}"
        r"(?:~?/?[.\w/]{0,30}"
        r"(?:\.ssh|id_rsa|\.aws|\.env\b|credentials|/etc/(?:passwd|shadow)|\.npmrc|\.netrc"
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
        0.45,
        r"\b(?:attacker|evil|malicious|hacker|exfil\w*|pwned|c2|steal(?:er)?)[\w\-]{0,15}"
        r"(?:\.(?:com|net|org|io|example|invalid|test|xyz|ru|tk|site)|@)|@(?:attacker|evil)\b",
    ),
    Signature(
        "pipe-to-curl",
        "exfiltration",
        0.5,
        r"\|\s*(?:base64[^|\n]{0,20}\|\s*)?(?:curl|wget)\b[^\n]{0,120}(?:-d\b|--data|@-|-X\s*POST"
        r"|-F\b|-T\b)|\|\s*(?:nc|ncat)\s+[\w.\-]+\s+\d{2,5}\b|\bcurl\b[^\n]{0,80}(?:-d"
        r"|--data(?:-\w+)?|-F)\s*[\"']?[\w=]{0,12}(?:@[~/]|\$\(|`)",
        ("curl",),
    ),
    Signature(
        "curl-to-shell",
        "exfiltration",
        0.25,
        r"(?:curl|wget)\b[^\n|]{0,120}\|\s*(?:sudo\s*)?(?:ba|z)?sh\b",
        ("curl",),
    ),
    # --- hijack ---
    Signature(
        "if-you-are-an-ai",
        "hijack",
        0.7,
        rf"\b(?:if (?:you are|you're)|to (?:the|any|all)|attention|dear|note (?:to|for)"
        rf"|message (?:to|for)|instructions? (?:to|for)|hey|hello|when (?:an?|the|any)){S}"
        rf"(?:an?{S}|the{S}|any{S}|all{S})?(?:{W}{S})?(?:ai|llm|language model|ai agent"
        rf"|ai assistant|chat ?bot|ai model|automated system|ai system)s?{S}(?:{W}{S}){{0,3}}"
        rf"(?:reading|processing|summari[sz]ing|reviewing|evaluating|analy[sz]ing|parsing|must"
        rf"|should|please|screening|reads?|asked|ignore)\b",
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
        0.45,
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
        r"\b(?:(?-i:DAN) (?:mode|\d|is|can|has|will|would)\b|\[DAN\]|BetterDAN|AntiGPT|DevMode"
        r"|AutoDAN|(?-i:STAN) (?:is|has|can)\b|evil[- ]?bot\b|evil confidant"
        r"|jail ?broken (?:response|answer|mode|ai|chatgpt|version|assistant)"
        r"|jail ?break (?:mode|yourself)|basedgpt|chaosgpt|\[GPT\]|\[JAILBREAK\])",
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
        0.45,
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
        0.4,
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
        0.45,
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
        rf"\byou are{S}(?:now|no longer|henceforth){S}(?:an?|the|in|my|to|free|going"
        r"|bound|chatgpt|dan)\b",
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
        "joined-words",
        "hidden",
        0.7,
        r"(?:ignore|disregard|forget)(?:all)?(?:the|your)?(?:previous|prior|above|earlier)"
        r"(?:instructions|prompts?|rules)|(?:reveal|show|print|output|repeat)(?:me)?(?:the|your)?"
        r"(?:hidden)?(?:system|initial|secret)(?:prompt|instructions)",
        ("joined",),
    ),
    Signature(
        "stop-everything",
        "override",
        0.3,
        r"\bstop everything\b|\bemergency stop\b|\bstop all (?:processing|operations)\b",
    ),
    Signature(
        "stands-for",
        "persona",
        0.35,
        rf"\b(?:you(?:'re| are)?|role of|act as|called|named|known as|mode|model|character){gap(8)}"
        rf"(?:which |that )?stands for\b",
        ("stands-for",),
    ),
    Signature(
        "any-request",
        "persona",
        0.4,
        rf"\b(?:answers?|responds?|compl(?:y|ies)|fulfil?ls?|generates?|provides?|follows?|obeys?)"
        rf"{gap(2)}(?:any|every|all){gap(3)}(?:no matter|regardless|without (?:question|hesitation"
        rf"|exception|judg\w+)|even if)\b|\bany kind of content\b",
        ("any-request",),
    ),
    Signature(
        "not-as-chatgpt",
        "persona",
        0.4,
        rf"\b(?:not|never|don'?t|instead of){S}(?:respond|answer|reply|speak|act|behave|responding"
        rf"|acting){S}(?:as|like){S}(?:chatgpt|an ai|gpt|a language model|an assistant)\b"
        rf"|\bas both chatgpt\b|\bchatgpt and (?:dan|antigpt|you)\b",
        ("as-chatgpt",),
    ),
    Signature(
        "answer-first-question",
        "persona",
        0.4,
        r"\banswer(?:ing)? my first (?:question|prompt)\b|\[insert prompt here\]",
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
        0.4,
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
        rf"\b(?:decod(?:e|ed|ing)|decrypt|decipher|deobfuscate|unscramble){gap(8)}(?:and|then){S}"
        rf"(?:{W}{S}){{0,2}}(?:follow|execute|do|run|obey|perform|act|comply|respond|answer|carry"
        rf"|apply|use)\b",
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
