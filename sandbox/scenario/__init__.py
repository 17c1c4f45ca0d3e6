"""Scenarios: what people do and what must then be so, as YAML. See docs/scenarios.md."""
