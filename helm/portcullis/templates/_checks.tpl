{{/* What is refused, each with what to do about it. Types, unknown keys and single values are
values.schema.json's business; here stands what two values say together. */}}

{{- define "portcullis.checks" -}}
{{- $redis := .Values.redis.existingSecret -}}
{{- if and $redis (not .Values.masterKey.existingSecret) -}}
{{- fail "redis.existingSecret needs masterKey.existingSecret: gateways that share a Redis count by digests under one master key. Make one: head -c 32 /dev/urandom | base64 > master.key; kubectl create secret generic portcullis-master-key --from-file=master.key" -}}
{{- end -}}
{{- if and .Values.policies.files .Values.policies.existingConfigMap -}}
{{- fail "policies.files and policies.existingConfigMap exclude each other: the policy is one folder" -}}
{{- end -}}
{{- if and .Values.policies.files (not (regexMatch "\\.ya?ml( |$)" (keys .Values.policies.files | sortAlpha | join " "))) -}}
{{- fail "policies.files has no *.yaml: the gateway reads the *.yaml and *.yml of its folder" -}}
{{- end -}}
{{- if and (or (eq .Values.audit.to "otlp") (has "otlp" .Values.audit.copies)) (not .Values.otlp.endpoint) -}}
{{- fail "audit.to or audit.copies name otlp: set otlp.endpoint to a collector, such as http://collector.observability:4318" -}}
{{- end -}}
{{- if has .Values.audit.to .Values.audit.copies -}}
{{- fail "audit.copies names where audit.to goes already" -}}
{{- end -}}
{{- if eq .Values.mode "gateway" -}}{{- include "portcullis.gatewayChecks" . -}}{{- end -}}
{{- if eq .Values.mode "sidecar" -}}{{- include "portcullis.sidecarChecks" . -}}{{- end -}}
{{- end }}

{{- define "portcullis.gatewayChecks" -}}
{{- $redis := .Values.redis.existingSecret -}}
{{- if and (gt (int .Values.replicas) 1) (not $redis) (not .Values.autoscaling.enabled) -}}
{{- fail (printf "replicas: %d needs redis.existingSecret: without a shared state each replica would count for itself, and a budget of $5 would be one of $%d" (int .Values.replicas) (mul 5 (int .Values.replicas))) -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not $redis) -}}
{{- fail "autoscaling.enabled needs redis.existingSecret: without a shared state each replica would count for itself" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) -}}
{{- fail "autoscaling.minReplicas is more than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (not .Values.autoscaling.inFlight) (not .Values.autoscaling.cpu) -}}
{{- fail "autoscaling.enabled needs a measure: autoscaling.inFlight, autoscaling.cpu or both" -}}
{{- end -}}
{{- if and (not .Values.persistence.enabled) (not $redis) -}}
{{- fail "persistence.enabled: false needs redis.existingSecret: without a volume a restart would forget what was spent" -}}
{{- end -}}
{{- if and (not .Values.persistence.enabled) (eq .Values.audit.to "volume") -}}
{{- fail "persistence.enabled: false needs an audit log that leaves the pod: set audit.to to stdout or otlp" -}}
{{- end -}}
{{- if and .Values.tls.clientCaKey (not .Values.tls.existingSecret) -}}
{{- fail "tls.clientCaKey needs tls.existingSecret: it names a key of that Secret" -}}
{{- end -}}
{{- end }}

{{- define "portcullis.sidecarChecks" -}}
{{- with .Values.sidecar -}}
{{- if and .egressLock.enabled (not .egressLock.image) -}}
{{- fail "sidecar.egressLock.enabled needs sidecar.egressLock.image: an image with the program nft in it; docs/kubernetes.md shows one" -}}
{{- end -}}
{{- end -}}
{{- end }}
