"""``python -m lab.nailgun``: the same as ``octane-lab nailgun``."""

import sys

from lab.nailgun.command import main

sys.exit(main())
