"""Ports of the nodes: who declared which range, who listens where, and what does not agree."""
