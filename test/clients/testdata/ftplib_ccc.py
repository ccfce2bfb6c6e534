"""Moves two files after CCC: the control connection is clear, data is private."""

import ftplib
import ssl
import sys

host, port, user, password, authority, mode, upload, stored, download, kept = sys.argv[1:]
session = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=authority))
session.set_debuglevel(1)
session.connect(host, int(port), timeout=60)
session.login(user, password)
session.prot_p()
session.set_pasv(mode == "passive")
session.ccc()
assert session.sock.version() is None, "the control connection is still in TLS"
with open(upload, "rb") as file:
    session.storbinary("STOR " + stored, file)
with open(download, "wb") as file:
    session.retrbinary("RETR " + kept, file.write)
session.quit()
