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

{{/* One transaction, which can be run again. The admin listener is off in a sidecar; its port is shut
for the agents all the same.

A connection that is known is no pass for whoever sends from its port: the kernel remembers the
gateway's connections for a while after they end, and an agent may take the port over. So what an agent
sends goes out as an answer only (`ct direction reply`). Packets without an owner are the kernel's: the
end of a connection that its process has closed, errors, neighbour discovery. */}}
{{- define "portcullis.sidecar.ruleset" -}}
{{- $lock := .Values.sidecar.egressLock -}}
table inet portcullis_lock
delete table inet portcullis_lock
table inet portcullis_lock {
  chain refuse {
    meta l4proto tcp reject with tcp reset
    reject with icmpx admin-prohibited
  }
  chain output {
    type filter hook output priority filter; policy drop;
    meta skuid {{ .Values.runAs.user }} accept
    oifname "lo" tcp dport 9485 reject with tcp reset
    oifname "lo" accept
    ct direction reply ct state established,related accept
    {{- if $lock.dns }}
    meta l4proto { tcp, udp } th dport 53 accept
    {{- end }}
    {{- range $lock.alsoTo }}
    {{ ternary "ip6" "ip" (contains ":" .cidr) }} daddr {{ .cidr }} tcp dport { {{ join ", " .ports }} } accept
    {{- end }}
    meta skuid != {{ .Values.runAs.user }} goto refuse
    tcp flags & syn != syn ct state established accept
    meta l4proto { icmp, icmpv6 } ct state related accept
    icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, mld-listener-report, mld2-listener-report } accept
    goto refuse
  }
}
{{- end }}
