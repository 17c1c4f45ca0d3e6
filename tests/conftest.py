"""What holds for every test."""

import os

from hypothesis import settings

# No deadlines: a busy machine makes no claim wrong. In CI the same examples each time; elsewhere new ones, and what
# fails says how to try it again.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
