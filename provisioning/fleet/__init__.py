"""The fleet: all tenants as they are, read together; and how they differ from what is recorded of them."""
