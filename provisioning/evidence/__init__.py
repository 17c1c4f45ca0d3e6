"""What makes the audit trail evidence: signing keys, checkpoints, exports with proofs, sealed segments, backups.

How all of it is checked is in `provisioning.evidence.verifier`, which auditors get alone.
"""
