{{- define "portcullis.scheme" -}}
{{- ternary "https" "http" (ne .Values.tls.existingSecret "") -}}
{{- end }}

{{- define "portcullis.kind" -}}
{{- ternary "StatefulSet" "Deployment" .Values.persistence.enabled -}}
{{- end }}

{{/* The gateway's pod. It has no API token, and stops in this order: five seconds in which its
address leaves the Services while it still takes calls (the hook), the drain, and ten to spare. */}}
{{- define "portcullis.gatewayPod" -}}
serviceAccountName: {{ include "portcullis.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ add 15 (include "portcullis.drainSeconds" . | int) }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .Values.runAs.user }}
  runAsGroup: {{ .Values.runAs.group }}
  fsGroup: {{ .Values.runAs.group }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
containers:
  - name: portcullis
    image: {{ include "portcullis.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [serve]
    env: {{- include "portcullis.gatewayEnv" . | trim | nindent 6 }}
    ports:
      - {name: data, containerPort: 8484}
      - {name: probes, containerPort: 9484}
    {{- include "portcullis.probes" "probes" | nindent 4 }}
    lifecycle:
      preStop: {sleep: {seconds: 5}}
    securityContext: {{- include "portcullis.containerSecurity" . | nindent 6 }}
    resources: {{- toYaml .Values.resources | nindent 6 }}
    volumeMounts:
      - {name: state, mountPath: /var/lib/portcullis}
      {{- if .Values.tls.existingSecret }}
      - {name: tls, mountPath: /etc/portcullis/tls, readOnly: true}
      {{- end }}
      {{- include "portcullis.mounts" . | trim | nindent 6 }}
volumes:
  {{- if not .Values.persistence.enabled }}
  - {name: state, emptyDir: {sizeLimit: 1Gi}}
  {{- end }}
  {{- with .Values.tls.existingSecret }}
  - name: tls
    secret: {secretName: {{ . | quote }}, defaultMode: 0440}
  {{- end }}
  {{- include "portcullis.volumes" . | trim | nindent 2 }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml . | nindent 4 }}
    {{- if not .labelSelector }}
    labelSelector:
      matchLabels: {{- include "portcullis.gatewaySelector" $ | nindent 8 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{/* The admin listener stays on loopback: `kubectl port-forward` reaches it there, the pod network
does not. */}}
{{- define "portcullis.gatewayEnv" -}}
{{- $any := ternary "[::]" "0.0.0.0" (eq .Values.ipFamily "IPv6") -}}
- name: PORTCULLIS_LISTEN
  value: "{{ $any }}:8484"
- name: PORTCULLIS_PROBES
  value: "{{ $any }}:9484"
- name: PORTCULLIS_ADMIN
  value: {{ ternary "127.0.0.1:9485" "off" .Values.admin.enabled | quote }}
{{- with .Values.tls.existingSecret }}
- name: PORTCULLIS_TLS_CERT
  value: /etc/portcullis/tls/tls.crt
- name: PORTCULLIS_TLS_KEY
  value: /etc/portcullis/tls/tls.key
{{- with $.Values.tls.clientCaKey }}
- name: PORTCULLIS_TLS_CLIENT_CA
  value: /etc/portcullis/tls/{{ . }}
{{- end }}
{{- end }}
{{- if .Values.allowAnonymous }}
- name: PORTCULLIS_ALLOW_ANONYMOUS
  value: "true"
{{- end }}
{{ include "portcullis.env" . | trim }}
{{- end }}
