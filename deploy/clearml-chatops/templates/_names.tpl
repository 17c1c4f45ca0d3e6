{{- define "chatops.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "chatops.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "chatops.name" .) -}}
{{- end -}}

{{- define "chatops.selector" -}}
app.kubernetes.io/name: clearml-chatops
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "chatops.labels" -}}
{{ include "chatops.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}
