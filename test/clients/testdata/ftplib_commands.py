"""Says the lines that come as JSON on standard input, in one session over FTPS.

Prints the last reply to each as JSON. A transfer command gets or brings a few bytes.
"""

import ftplib
import io
import json
import ssl
import sys

work = json.load(sys.stdin)
target = work["Target"]
session = ftplib.FTP_TLS(context=ssl.create_default_context(cafile=target["CA"]))
session.connect(work["Host"], int(work["Port"]), timeout=60)
session.login(target["User"], target["Password"])
session.prot_p()


def say(line):
    verb = line.split(" ")[0].upper()
    try:
        if verb in ("STOR", "APPE", "STOU"):
            return session.storbinary(line, io.BytesIO(b"from the client"))
        if verb in ("RETR", "LIST", "NLST", "MLSD"):
            return session.retrbinary(line, lambda _: None)
        return session.sendcmd(line)
    except ftplib.Error as error:
        return str(error)


replies = [say(line) for line in work["Lines"]]
session.quit()
json.dump(replies, sys.stdout)
