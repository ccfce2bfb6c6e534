listener "ftp" {
  adress      = ":21"
  upstream    = "legacy"
  certificate = ["main", "other"]
  tls {
    client_certificates { ca = "no-such-ca.pem", crl = "no-such-list.pem" }
  }
}
upstream "legacy" {
  address = "10.0.0.5:21"
  tls {
    mode = "explicit"
    ca   = "no-such-roots.pem"
    certificate = "main"
  }
}
certificate "main" {
  files {
    cert = "no-such-cert.pem"
    key  = "no-such-key.pem"
  }
}
certificate "other" {
  files {
    cert = 7
    key  = "not-looked-for.pem"
  }
}
certificate "third" {
  acme {
    names   = ["ftp.example.com"]
    ca_root = "no-such-root.pem"
  }
}
