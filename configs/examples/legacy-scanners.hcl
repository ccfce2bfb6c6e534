# Office scanners that know no TLS upload over their own network in clear text;
# everybody else uses TLS. The scanners' listener stands at an address that only
# they can reach, and takes TLS from those that learn it.

listener "ftp" {
  address     = "203.0.113.7:21"
  upstream    = "files"
  certificate = "main"
}

listener "scanners" {
  address     = "10.20.0.1:21"
  upstream    = "files"
  certificate = "main"

  tls {
    control = "allow"
    data    = "allow"
  }
}

upstream "files" {
  address = "10.0.0.5:21"
}

certificate "main" {
  files {
    cert = "/etc/ftpsproxy/fullchain.pem"
    key  = "/etc/ftpsproxy/key.pem"
  }
}
