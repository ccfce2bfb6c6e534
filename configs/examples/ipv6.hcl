# Clients over IPv6, a server that knows only IPv4. Clients use EPSV and EPRT;
# PASV is refused on an IPv6 control connection, since it cannot carry such an
# address.

listener "ftp6" {
  address     = "[2001:db8::7]:21"
  upstream    = "legacy"
  certificate = "main"
}

upstream "legacy" {
  address = "192.0.2.5:21"
  source  = "192.0.2.7"
}

certificate "main" {
  files {
    cert = "/etc/ftpsproxy/fullchain.pem"
    key  = "/etc/ftpsproxy/key.pem"
  }
}
