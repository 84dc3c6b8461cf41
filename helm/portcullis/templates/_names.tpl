{{/* Names, labels, the image. Every template takes the chart's own context (in another chart:
.Subcharts.portcullis). */}}

{{- define "portcullis.name" -}}
{{- default "portcullis" .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end }}

{{- define "portcullis.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "portcullis.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "portcullis.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* What never changes over an upgrade, so that selectors may use it. */}}
{{- define "portcullis.selector" -}}
app.kubernetes.io/name: {{ include "portcullis.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "portcullis.gatewaySelector" -}}
{{ include "portcullis.selector" . }}
app.kubernetes.io/component: gateway
{{- end }}

{{/* All labels of an object; `common` cannot take the place of one that selectors use. Takes the
context, or (dict "root" . "component" "gateway" "more" .Values.podLabels). */}}
{{- define "portcullis.labels" -}}
{{- $root := .root | default . -}}
{{- $own := include "portcullis.selector" $root | fromYaml -}}
{{- $_ := set $own "app.kubernetes.io/version" $root.Chart.AppVersion -}}
{{- $_ := set $own "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- with .component -}}{{- $_ := set $own "app.kubernetes.io/component" . -}}{{- end -}}
{{- toYaml (merge $own (.more | default dict) $root.Values.commonLabels) -}}
{{- end }}

{{- define "portcullis.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* The ConfigMap with the policy, or nothing where the packaged starter is served. */}}
{{- define "portcullis.policyConfigMap" -}}
{{- if .Values.policies.existingConfigMap -}}
{{ .Values.policies.existingConfigMap }}
{{- else if .Values.policies.files -}}
{{ include "portcullis.fullname" . }}-policies
{{- end -}}
{{- end }}

{{- define "portcullis.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "portcullis.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}
