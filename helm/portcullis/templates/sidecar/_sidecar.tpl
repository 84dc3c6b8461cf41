{{/* Portcullis in anyone's pod. Three templates, each for one list of the pod:

    initContainers: {{- include "portcullis.sidecar.containers" .Subcharts.portcullis | nindent 8 }}
    env:            {{- include "portcullis.sidecar.env" .Subcharts.portcullis | nindent 12 }}
    volumes:        {{- include "portcullis.sidecar.volumes" .Subcharts.portcullis | nindent 8 }}

The first goes before the init containers that call a model, if there are any; the second into each
container that runs an agent. */}}

{{/* The lock, where it is wanted, and the gateway as a native sidecar: it starts before the other
containers, and ends after them. Without a preStop hook: when it is told to stop, its callers have
ended. */}}
{{- define "portcullis.sidecar.containers" -}}
{{- include "portcullis.sidecar.containersLines" . | trim -}}
{{- end }}

{{- define "portcullis.sidecar.containersLines" -}}
{{- $any := ternary "[::]" "0.0.0.0" (eq .Values.ipFamily "IPv6") -}}
{{- if .Values.sidecar.egressLock.enabled }}
{{ include "portcullis.sidecar.lock" . }}
{{- end }}
- name: portcullis
  image: {{ include "portcullis.image" . | quote }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  restartPolicy: Always
  args: [serve]
  env:
    - name: PORTCULLIS_LISTEN
      value: "127.0.0.1:{{ .Values.sidecar.port }}"
    - name: PORTCULLIS_PROBES
      value: "{{ $any }}:{{ .Values.sidecar.probesPort }}"
    - name: PORTCULLIS_ADMIN
      value: {{ .Values.sidecar.admin | quote }}
    {{- include "portcullis.env" . | trim | nindent 4 }}
  ports:
    - {name: ptc-probes, containerPort: {{ .Values.sidecar.probesPort }}}
  {{- include "portcullis.probes" "ptc-probes" | nindent 2 }}
  securityContext: {{- include "portcullis.containerSecurity" . | nindent 4 }}
  resources: {{- toYaml .Values.resources | nindent 4 }}
  volumeMounts:
    - {name: {{ default "portcullis-state" .Values.sidecar.stateVolume }}, mountPath: /var/lib/portcullis}
    {{- include "portcullis.mounts" . | trim | nindent 4 }}
{{- end }}

{{- define "portcullis.sidecar.volumes" -}}
{{- include "portcullis.sidecar.volumesLines" . | trim -}}
{{- end }}

{{- define "portcullis.sidecar.volumesLines" -}}
{{- if not .Values.sidecar.stateVolume }}
- {name: portcullis-state, emptyDir: {sizeLimit: {{ .Values.sidecar.stateSize }}}}
{{- end }}
{{ include "portcullis.volumes" . }}
{{- end }}

{{/* Labels of the pod, so that the chart's PodMonitor finds it. */}}
{{- define "portcullis.sidecar.labels" -}}
portcullis/sidecar: {{ .Release.Name | quote }}
{{- end }}

{{/* What common SDKs read. Each wants its own ending: OpenAI's with /v1, the others without. */}}
{{- define "portcullis.sidecar.env" -}}
{{- include "portcullis.sidecar.envLines" . | trim -}}
{{- end }}

{{- define "portcullis.sidecar.envLines" -}}
{{- $address := printf "127.0.0.1:%v" .Values.sidecar.port -}}
{{- $sdks := .Values.sidecar.sdks -}}
{{- if has "openai" $sdks }}
- {name: OPENAI_BASE_URL, value: "http://{{ $address }}/v1"}
- {name: OPENAI_API_BASE, value: "http://{{ $address }}/v1"}
- {name: OPENAI_WEBSOCKET_BASE_URL, value: "ws://{{ $address }}/v1"}
{{- end }}
{{- if has "anthropic" $sdks }}
- {name: ANTHROPIC_BASE_URL, value: "http://{{ $address }}"}
{{- end }}
{{- if has "gemini" $sdks }}
- {name: GOOGLE_GEMINI_BASE_URL, value: "http://{{ $address }}"}
{{- end }}
{{- if has "ollama" $sdks }}
- {name: OLLAMA_HOST, value: "http://{{ $address }}"}
{{- end }}
{{- if has "azure_openai" $sdks }}
- {name: AZURE_OPENAI_ENDPOINT, value: "http://{{ $address }}"}
{{- end }}
{{- if has "forward_proxy" $sdks }}
- {name: HTTPS_PROXY, value: "http://{{ $address }}"}
- {name: https_proxy, value: "http://{{ $address }}"}
- {name: NO_PROXY, value: "127.0.0.1,localhost"}
- {name: no_proxy, value: "127.0.0.1,localhost"}
{{- end }}
{{- end }}
