"""As published: python client.py --help. The code is in the package, rushes.omniavatar.client."""
import sys

from rushes.omniavatar.client import main

if __name__ == "__main__":
    sys.exit(main())
