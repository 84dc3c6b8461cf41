{{/* What the container is told in both modes. The lines that differ (where it listens, where the
audit log goes) stand with the mode. */}}

{{- define "portcullis.env" -}}
{{- if include "portcullis.policyConfigMap" . }}
- name: PORTCULLIS_POLICIES
  value: /etc/portcullis/policies
{{- end }}
{{- with .Values.redis }}
{{- if .existingSecret }}
- name: PORTCULLIS_STATE
  valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .urlKey | quote }}}}
{{- if .usernameKey }}
- name: PORTCULLIS_REDIS_USERNAME
  valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .usernameKey | quote }}}}
{{- end }}
{{- if .passwordKey }}
- name: PORTCULLIS_REDIS_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .passwordKey | quote }}}}
{{- end }}
{{- else }}
- name: PORTCULLIS_STATE
  value: sqlite:////var/lib/portcullis/state.db
{{- end }}
{{- end }}
{{- if .Values.masterKey.existingSecret }}
- name: PORTCULLIS_MASTER_KEY_FILE
  value: /etc/portcullis/master-key/{{ .Values.masterKey.key }}
{{- end }}
{{ include "portcullis.auditEnv" . }}
- name: PORTCULLIS_LOG_LEVEL
  value: {{ .Values.logLevel }}
- name: PORTCULLIS_WORKERS
  value: {{ .Values.workers | quote }}
{{- range $name, $from := .Values.credentials.env }}
- name: {{ $name }}
  valueFrom: {secretKeyRef: {name: {{ $from.secret | quote }}, key: {{ $from.key | quote }}}}
{{- end }}
{{- with .Values.otlp }}
{{- if .endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ .endpoint | quote }}
{{- if not .traces }}
- name: OTEL_TRACES_EXPORTER
  value: none
{{- end }}
- name: OTEL_SERVICE_NAME
  value: {{ include "portcullis.fullname" $ | quote }}
{{- with .headers }}
{{- if .existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Folders, never subPath: a file that is mounted by subPath does not change when its ConfigMap or
Secret does. */}}
{{- define "portcullis.mounts" -}}
- {name: portcullis-tmp, mountPath: /tmp}
{{- if include "portcullis.policyConfigMap" . }}
- {name: portcullis-policies, mountPath: /etc/portcullis/policies, readOnly: true}
{{- end }}
{{- if .Values.masterKey.existingSecret }}
- {name: portcullis-master-key, mountPath: /etc/portcullis/master-key, readOnly: true}
{{- end }}
{{- if .Values.credentials.files.existingSecret }}
- {name: portcullis-credentials, mountPath: /etc/portcullis/credentials, readOnly: true}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "portcullis.volumes" -}}
- {name: portcullis-tmp, emptyDir: {sizeLimit: 256Mi}}
{{- with include "portcullis.policyConfigMap" . }}
- name: portcullis-policies
  configMap: {name: {{ . | quote }}}
{{- end }}
{{- with .Values.masterKey.existingSecret }}
- name: portcullis-master-key
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- with .Values.credentials.files.existingSecret }}
- name: portcullis-credentials
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The restricted profile of the Pod Security Standards, and a root file system that nobody writes. */}}
{{- define "portcullis.containerSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .Values.runAs.user }}
runAsGroup: {{ .Values.runAs.group }}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* An emptied or full disk is no reason to restart: liveness asks only whether the supervisor runs. Takes the port's name. */}}
{{- define "portcullis.probes" -}}
startupProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 120
readinessProbe:
  httpGet: {path: /readyz, port: {{ . }}}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  httpGet: {path: /healthz, port: {{ . }}}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end }}

{{/* Seconds of a time as the policy file writes it (45s, 2m, 1h30m); nothing where it is written in
another way. */}}
{{- define "portcullis.seconds" -}}
{{- if regexMatch "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$" . -}}
{{- $hours := regexFind "[0-9]+h" . | trimSuffix "h" | default "0" | int -}}
{{- $minutes := regexFind "[0-9]+m" . | trimSuffix "m" | default "0" | int -}}
{{- $seconds := regexFind "[0-9]+s" . | trimSuffix "s" | default "0" | int -}}
{{- add (mul $hours 3600) (mul $minutes 60) $seconds -}}
{{- end -}}
{{- end }}

{{/* How long running calls may go on: what is set, else `limits.drain` of the policy files here,
else the gateway's default. */}}
{{- define "portcullis.drainSeconds" -}}
{{- $seconds := "30" -}}
{{- range $name, $text := .Values.policies.files -}}
{{- if regexMatch "\\.ya?ml$" $name -}}
{{- with dig "limits" "drain" "" (fromYaml $text) -}}
{{- $seconds = include "portcullis.seconds" (toString .) | default $seconds -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if kindIs "invalid" .Values.drainSeconds -}}{{ $seconds }}{{- else -}}{{ int .Values.drainSeconds }}{{- end -}}
{{- end }}

{{/* Where the audit log goes, as `--audit` and `--audit-copy` take it. */}}
{{- define "portcullis.auditEnv" -}}
- name: PORTCULLIS_AUDIT
  value: {{ ternary "/var/lib/portcullis/audit" (printf "%s:" .Values.audit.to) (eq .Values.audit.to "volume") | quote }}
{{- with .Values.audit.copies }}
- name: PORTCULLIS_AUDIT_COPY
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}
