"""What runs on a developer's or an operator's machine."""

import os

# The embedded servers are on this machine: no proxy that leads out of it has a way to them.
_DIRECTLY = ",".join(filter(None, ("127.0.0.1,localhost", os.environ.get("no_proxy") or os.environ.get("NO_PROXY"))))
os.environ |= {"no_proxy": _DIRECTLY, "NO_PROXY": _DIRECTLY}
