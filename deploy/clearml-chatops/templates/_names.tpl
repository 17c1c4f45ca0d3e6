{{- define "chatops.name" -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "chatops.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "chatops.name" .) -}}
{{- end -}}

{{- define "chatops.image" -}}
{{- $tagged := printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- $tagged }}{{ with .Values.image.digest }}@{{ . }}{{ end -}}
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
