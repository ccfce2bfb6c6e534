"""A pyftpdlib server for one user, configured by its arguments."""

import argparse
import os
import sys

arguments = argparse.ArgumentParser()
for name in ("modules", "address", "root", "user", "password-file"):
    arguments.add_argument("--" + name, required=True)
for name in ("port", "first", "last", "uid", "gid"):
    arguments.add_argument("--" + name, required=True, type=int)
chosen = arguments.parse_args()

sys.path.insert(0, chosen.modules)

from pyftpdlib.authorizers import DummyAuthorizer  # noqa: E402
from pyftpdlib.handlers import FTPHandler  # noqa: E402
from pyftpdlib.servers import FTPServer  # noqa: E402

with open(chosen.password_file, encoding="utf-8") as file:
    password = file.read()

authorizer = DummyAuthorizer()
authorizer.add_user(chosen.user, password, chosen.root, perm="elradfmwMT")


class Handler(FTPHandler):
    """The settings of pyftpdlib are attributes of its class."""

    authorizer = authorizer
    passive_ports = range(chosen.first, chosen.last + 1)
    timeout = 600


server = FTPServer((chosen.address, chosen.port), Handler)
server.max_cons_per_ip = 0
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(chosen.gid)
    os.setuid(chosen.uid)
server.serve_forever()
