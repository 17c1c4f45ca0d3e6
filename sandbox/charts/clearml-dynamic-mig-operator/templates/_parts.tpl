{{- define "labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "workload" -}}
apiVersion: apps/v1
kind: {{ .kind | default "Deployment" }}
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
    app.kubernetes.io/managed-by: {{ .root.Release.Service }}
spec:
  {{- if eq (.kind | default "Deployment") "StatefulSet" }}
  serviceName: {{ .name }}
  {{- end }}
  replicas: {{ .replicas | default 1 }}
  selector:
    matchLabels:
      {{- include "labels" . | nindent 6 }}
      app.kubernetes.io/component: {{ .component }}
  template:
    metadata:
      labels:
        {{- include "labels" . | nindent 8 }}
        app.kubernetes.io/component: {{ .component }}
      {{- with .checksum }}
      annotations:
        # What the container reads at its start: another one starts it anew.
        checksum/configuration: {{ . }}
      {{- end }}
    spec:
      containers:
        - name: {{ .component }}
          image: {{ .image | quote }}
          {{- with .envFrom }}
          envFrom:
            - secretRef:
                name: {{ . }}
          {{- end }}
{{- end }}

{{- define "service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  type: {{ .type | default "ClusterIP" }}
  selector:
    {{- include "labels" . | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  ports:
    - name: {{ .component }}
      port: {{ .port }}
{{- end }}
