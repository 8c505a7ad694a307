"""As published: python run_streaming_test.py --help. The code is in the package, rushes.ditto.run_streaming_test."""
import sys

from rushes.ditto.run_streaming_test import main

if __name__ == "__main__":
    sys.exit(main())
