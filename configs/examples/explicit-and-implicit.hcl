# Explicit FTPS on port 21 and implicit FTPS on port 990, for old clients that
# know only the latter. Both share the upstream, the certificate and the passive
# ports.

listener "explicit" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

listener "implicit" {
  address     = ":990"
  upstream    = "legacy"
  certificate = "main"

  tls {
    mode = "implicit"
  }
}

upstream "legacy" {
  address = "ftp.internal:21"
}

certificate "main" {
  files {
    cert = "/etc/ftpsproxy/fullchain.pem"
    key  = "/etc/ftpsproxy/key.pem"
  }
}
