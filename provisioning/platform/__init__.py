"""The platform as one declared spec: what is installed, from which charts, with which values. Pure."""
