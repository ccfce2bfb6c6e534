"""ftplib's FTP_TLS as in its manual; only the port is not the usual one."""

import ftplib
import sys

host, port, user, password = sys.argv[1:]
ftplib.FTP_TLS.port = int(port)

with open("upload.txt", "rb") as f, open("download.txt", "wb") as g:
    ftps = ftplib.FTP_TLS(host); ftps.login(user=user, passwd=password); ftps.prot_p()
    ftps.storbinary("STOR upload.txt", f); ftps.retrbinary("RETR download.txt", g.write); ftps.retrlines("LIST"); ftps.quit()
