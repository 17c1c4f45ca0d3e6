"""A stand-in for the ClearML Enterprise API: as strict as the real one, as far as that is public."""
