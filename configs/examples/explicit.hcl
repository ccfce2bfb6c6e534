# The usual case: explicit FTPS on port 21 in front of one plain FTP server.
# Clients must use TLS for logins and for files.

listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  files {
    cert = "/etc/ftpsproxy/fullchain.pem"
    key  = "/etc/ftpsproxy/key.pem"
  }
}
