"""``python -m edgevoice`` is the command ``edgevoice``."""

import sys

from edgevoice.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
