"""What intake loads: only what every installation uses, for a service that idles is to take 120 MiB at most."""

import subprocess
import sys


def test_what_few_installations_use_is_not_loaded_before_it_is_used() -> None:
    loaded = "import sys, intake.app; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert "intake.limits.limiter" in modules
    assert {"valkey", "httpx", "rapidfuzz", "cryptography"}.isdisjoint(modules)
