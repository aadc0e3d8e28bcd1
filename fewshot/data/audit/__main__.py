"""The command under its module's name: python -m fewshot.data.audit."""

import sys

from fewshot.data.audit.command import main

if __name__ == "__main__":
    sys.exit(main())
