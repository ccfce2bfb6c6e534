"""A pyftpdlib server for one user, configured by its arguments."""

import argparse
import os
import sys

arguments = argparse.ArgumentParser()
arguments.add_argument("--modules", required=True, action="append")
for name in ("cert", "key"):
    arguments.add_argument("--" + name)
for name in ("implicit", "clear-data"):
    arguments.add_argument("--" + name, action="store_true")
for name in ("address", "root", "user", "password-file"):
    arguments.add_argument("--" + name, required=True)
for name in ("port", "first", "last", "uid", "gid"):
    arguments.add_argument("--" + name, required=True, type=int)
chosen = arguments.parse_args()

sys.path[:0] = chosen.modules

from pyftpdlib.authorizers import DummyAuthorizer  # noqa: E402
from pyftpdlib.handlers import FTPHandler  # noqa: E402

if chosen.cert:
    from pyftpdlib.handlers import TLS_FTPHandler  # noqa: E402
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


handler = Handler
if chosen.cert:

    class Private(Handler, TLS_FTPHandler):
        """The same with TLS, which is demanded."""

        certfile = chosen.cert
        keyfile = chosen.key
        tls_control_required = True
        tls_data_required = not chosen.clear_data

    class Implicit(Private):
        """TLS begins before the greeting."""

        def handle(self):
            self.secure_connection(self.ssl_context)

        def handle_ssl_established(self):
            super().handle()

    handler = Implicit if chosen.implicit else Private
    handler.get_ssl_context()  # reads the key while it may

server = FTPServer((chosen.address, chosen.port), handler)
server.max_cons_per_ip = 0
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(chosen.gid)
    os.setuid(chosen.uid)
server.serve_forever()
