"""As published: python streaming_client.py --help. The code is in the package, rushes.omniavatar.streaming_client."""
import sys

from rushes.omniavatar.streaming_client import main

if __name__ == "__main__":
    sys.exit(main())
