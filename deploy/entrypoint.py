"""Starts a container's command with its credentials: each file of /run/secrets becomes an environment variable.

A service knows no other place of settings than its environment, and Compose cannot fill that from files which do not
exist before it starts.
"""

import os
import sys
from pathlib import Path

for secret in Path(os.environ.get("SECRETS", "/run/secrets")).glob("[A-Z]*"):
    os.environ[secret.name] = secret.read_text().strip()
os.execvp(sys.argv[1], sys.argv[1:])
