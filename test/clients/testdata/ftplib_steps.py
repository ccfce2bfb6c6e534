"""Does the steps that come as JSON on standard input, in one session."""

import ftplib
import json
import ssl
import sys


class ImplicitTLS(ftplib.FTP_TLS):
    """FTP_TLS with TLS from the first byte, in the way its users write it."""

    _sock = None
    name = ""  # to ask for, if it is not the host

    @property
    def sock(self):
        return self._sock

    @sock.setter
    def sock(self, value):
        if value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value, server_hostname=self.name or self.host)
        self._sock = value


def connect(work):
    target = work["Target"]
    if target["TLS"] == "plain":
        session = ftplib.FTP()
    else:
        context = ssl.create_default_context(cafile=target["CA"])
        if target["Version"]:
            context.minimum_version = context.maximum_version = ssl.TLSVersion(target["Version"])
        if target["Cert"]:
            context.load_cert_chain(target["Cert"], target["Key"])
        kind = ImplicitTLS if target["TLS"] == "implicit" else ftplib.FTP_TLS
        session = kind(context=context)
    session.set_debuglevel(1)
    session.name = target["Host"]
    session.connect(work["Host"], int(work["Port"]), timeout=60)
    session.host = session.name or session.host
    session.login(target["User"], target["Password"])
    if target["TLS"] != "plain":
        if target["Clear"]:
            # After PBSZ, as RFC 4217 wants it; ftplib's prot_c sends PROT alone.
            session.voidcmd("PBSZ 0")
            session.prot_c()
        else:
            session.prot_p()
    session.set_pasv(not target["Active"])
    return session


def listing(session, step):
    folder = step["Remote"]
    with open(step["Local"], "w", encoding="utf-8") as out:
        if step["Op"] == "LIST":
            session.retrlines(("LIST " + folder).strip(), lambda line: out.write(line + "\n"))
        elif step["Op"] == "NLST":
            out.writelines(name + "\n" for name in session.nlst(*filter(None, [folder])))
        else:
            out.writelines(name + "\n" for name, _ in session.mlsd(folder))


def upload(session, step):
    with open(step["Local"], "rb") as file:
        if step["Op"] == "resume upload":
            file.seek(step["Offset"])
            session.storbinary("STOR " + step["Remote"], file, rest=step["Offset"])
        elif step["Op"] == "append":
            session.storbinary("APPE " + step["Remote"], file)
        else:
            session.storbinary("STOR " + step["Remote"], file)


def download(session, step):
    if step["Op"] == "resume download":
        with open(step["Local"], "ab") as file:
            session.retrbinary("RETR " + step["Remote"], file.write, rest=step["Offset"])
    else:
        with open(step["Local"], "wb") as file:
            session.retrbinary("RETR " + step["Remote"], file.write)


def refused(session, step):
    try:
        download(session, step)
    except ftplib.error_perm as error:
        if not str(error).startswith("550"):
            raise
    else:
        raise RuntimeError(step["Remote"] + " was not refused")


def abort(session, step):
    data = session.transfercmd("RETR " + step["Remote"])
    left = FIRST_BYTES
    while left > 0:
        got = data.recv(left)
        if not got:
            raise RuntimeError("the download ended by itself")
        left -= len(got)
    session.abort()
    data.close()
    # ABOR may have been answered by the transfer's own 426 or 226, and then
    # again by a reply of its own; NOOP is answered last.
    session.putcmd("NOOP")
    while not session.getmultiline().startswith("200"):
        pass


FIRST_BYTES = 1000

ACTIONS = {
    "refused": refused,
    "abort": abort,
    "LIST": listing,
    "NLST": listing,
    "MLSD": listing,
    "upload": upload,
    "append": upload,
    "resume upload": upload,
    "download": download,
    "resume download": download,
    "rename": lambda session, step: session.rename(step["Remote"], step["To"]),
    "delete": lambda session, step: session.delete(step["Remote"]),
    "mkdir": lambda session, step: session.mkd(step["Remote"]),
    "rmdir": lambda session, step: session.rmd(step["Remote"]),
}

work = json.load(sys.stdin)
session = connect(work)
for step in work["Steps"]:
    ACTIONS[step["Op"]](session, step)
session.quit()
