// Where tests have the Prometheus operator's CRDs from: nothing of it is built.
module clearml-chatops.example/tests/monitoring

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.85.0
