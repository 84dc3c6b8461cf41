{{/* The egress lock: packets that leave the pod must come from the gateway's user. Only this init
container may set rules; the agents run without NET_ADMIN and cannot undo them. */}}
{{- define "portcullis.sidecar.lock" -}}
- name: portcullis-egress-lock
  image: {{ .Values.sidecar.egressLock.image | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [nft]
  args:
    - | {{- include "portcullis.sidecar.ruleset" . | nindent 6 }}
  securityContext:
    # nft needs the capability in effect, and Kubernetes gives that to root only.
    runAsUser: 0
    runAsNonRoot: false
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    capabilities: {drop: [ALL], add: [NET_ADMIN]}
    seccompProfile: {type: RuntimeDefault}
  resources:
    requests: {cpu: 10m, memory: 16Mi}
    limits: {memory: 64Mi}
{{- end }}

{{/* One transaction, which can be run again. What the kernel sends on its own behalf (neighbour
discovery, the rest of a connection that is known) belongs to no user. The admin listener is off in a
sidecar; its port is shut for the agents all the same. */}}
{{- define "portcullis.sidecar.ruleset" -}}
{{- $lock := .Values.sidecar.egressLock -}}
table inet portcullis_lock
delete table inet portcullis_lock
table inet portcullis_lock {
  chain output {
    type filter hook output priority filter; policy drop;
    meta skuid {{ .Values.runAs.user }} accept
    oifname "lo" tcp dport 9485 reject with tcp reset
    oifname "lo" accept
    ct state established,related accept
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } accept
    {{- if $lock.dns }}
    meta l4proto { tcp, udp } th dport 53 accept
    {{- end }}
    {{- range $lock.alsoTo }}
    {{ ternary "ip6" "ip" (contains ":" .cidr) }} daddr {{ .cidr }} tcp dport { {{ join ", " .ports }} } accept
    {{- end }}
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
}
{{- end }}
