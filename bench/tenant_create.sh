#!/usr/bin/env bash
# The guide's tenant configuration as an operator would script it: curl, kubectl and helm, one after the other.
# Environment: API_URL API_KEY API_SECRET KUBECONFIG HELM KUBECTL CHART VALUES (agent values, a file).
set -euo pipefail
name=$1 email=$2 domain=$3
api() { # endpoint, body, extra curl arguments
  local endpoint=$1 body=$2
  shift 2
  curl --silent --show-error --fail -u "$API_KEY:$API_SECRET" -H 'Content-Type: application/json' "$@" \
    -d "$body" "$API_URL/$endpoint"
}
field() { python3 -ISc 'import json,sys; value=json.load(sys.stdin)["data"]
for key in sys.argv[1].split("."): value=value[key]
print(value)' "$1"; }

company=$(api system.create_company "{\"name\":\"$name\"}" | field id)
user=$(api auth.create_user "{\"name\":\"$name admin\",\"company\":\"$company\",\"email\":\"$email\",\"role\":\"admin\"}" | field id)
credentials=$(api auth.create_credentials '{}' -H "X-Clearml-Impersonate-As: $user")
key=$(field credentials.access_key <<<"$credentials")
secret=$(field credentials.secret_key <<<"$credentials")
api login.set_domains "{\"domains\":[\"$domain\"]}" -H "X-Clearml-Act-As: $user" >/dev/null

"$KUBECTL" create namespace "$name" >/dev/null
"$HELM" upgrade --install -n "$name" clearml-agent "$CHART" --wait --timeout 5m -f "$VALUES" \
  --set-string "clearml.agentk8sglueKey=$key" --set-string "clearml.agentk8sglueSecret=$secret" \
  --set-string "agentk8sglue.sessions.agentID=$name" >/dev/null
api queues.create '{"name":"default"}' -H "X-Clearml-Impersonate-As: $user" >/dev/null || true # 801: the chart made it
"$KUBECTL" apply -n "$name" -f - >/dev/null <<'YAML'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny-ingress
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress:
    - from:
        - podSelector: {}
YAML
