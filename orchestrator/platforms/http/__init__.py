"""HTTP connections to platforms.

With each request the HTTP library asks four times which event loop runs, by importing `sniffio`. A package that is not
installed is looked for in the whole path each time, which doubled the processor time of a request. A module that is
None is known to be missing.
"""

import sys
from importlib.util import find_spec

if find_spec("sniffio") is None:
    sys.modules["sniffio"] = None  # type: ignore[assignment] # documented for this purpose
