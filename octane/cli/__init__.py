"""The command line, `octane`.

All that it keeps on the master is below its own state directory. Stevedore would leave its cache in root's home,
another file each time that the Python environment changes.
"""

import os

from octane import settings

os.environ.setdefault("XDG_CACHE_HOME", str(settings.state_dir() / "cache"))
