"""What operations decide by: one module for each operation that needs facts of its own."""

from provisioning.facts.registry import FactsGatherer

__all__ = ["FactsGatherer"]
