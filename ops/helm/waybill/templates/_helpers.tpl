{{/* The name of everything of a release, with room for the name of a role behind it. */}}
{{- define "waybill.name" -}}
{{- if contains "waybill" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-waybill" (.Release.Name | trunc 42 | trimSuffix "-") -}}
{{- end -}}
{{- end -}}

{{/* What finds the pods of a role. Called with (dict "root" $ "role" "orchestrate"). */}}
{{- define "waybill.selector" -}}
app.kubernetes.io/name: waybill
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{- define "waybill.labels" -}}
{{ include "waybill.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "waybill.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What consumer groups begin with, as app/settings.py has it. */}}
{{- define "waybill.installation" -}}
{{- get .Values.settings "WAYBILL_PREFIX" -}}{{- get .Values.settings "WAYBILL_INSTALLATION" | default "waybill" -}}
{{- end -}}

{{/* The settings as environment variables: values as they are, secrets and files as paths. */}}
{{- define "waybill.env" -}}
{{- $_ := required "set settings.KAFKA_BOOTSTRAP_SERVERS to host:port of your brokers" .Values.settings.KAFKA_BOOTSTRAP_SERVERS -}}
- name: WAYBILL_WEB_HOST
  value: "0.0.0.0"
- name: WAYBILL_WEB_PORT
  value: "6066"
{{- range $name, $value := .Values.settings }}
{{- if hasKey $.Values.secrets $name }}
{{- fail (printf "%s is in settings and in secrets: choose one" $name) }}
{{- end }}
- name: {{ $name }}
  {{- if kindIs "float64" $value }}
  value: {{ $value | int64 | quote }}
  {{- else }}
  value: {{ $value | quote }}
  {{- end }}
{{- end }}
{{- range $name, $_ := .Values.secrets }}
- name: {{ $name }}_FILE
  value: /etc/waybill/secrets/{{ $name }}
{{- end }}
{{- range $name, $file := .Values.files }}
- name: {{ $name }}
  value: /etc/waybill/files/{{ $name }}/{{ $file.key }}
{{- end }}
{{- end -}}

{{- define "waybill.mounts" -}}
- name: tmp
  mountPath: /tmp
{{- if .Values.secrets }}
- name: secrets
  mountPath: /etc/waybill/secrets
  readOnly: true
{{- end }}
{{- if .Values.files }}
- name: files
  mountPath: /etc/waybill/files
  readOnly: true
{{- end }}
{{- end -}}

{{- define "waybill.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- if .Values.secrets }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $name, $from := .Values.secrets }}
      - secret:
          name: {{ $from.secret }}
          items: [{key: {{ $from.key | quote }}, path: {{ $name }}}]
      {{- end }}
{{- end }}
{{- if .Values.files }}
- name: files
  projected:
    defaultMode: 0440
    sources:
      {{- range $name, $from := .Values.files }}
      {{- if $from.configMap }}
      - configMap:
          name: {{ $from.configMap }}
      {{- else }}
      - secret:
          name: {{ $from.secret }}
      {{- end }}
          items: [{key: {{ $from.key | quote }}, path: {{ printf "%s/%s" $name $from.key | quote }}}]
      {{- end }}
{{- end }}
{{- end -}}

{{/* What every pod has in common. Without service links: those of a Service `waybill-web` would be read as settings. */}}
{{- define "waybill.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
volumes:
  {{- include "waybill.volumes" . | nindent 2 }}
{{- end -}}

{{- define "waybill.container" -}}
image: {{ include "waybill.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
env:
  {{- include "waybill.env" . | nindent 2 }}
volumeMounts:
  {{- include "waybill.mounts" . | nindent 2 }}
{{- end -}}
