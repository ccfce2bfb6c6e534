listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "legacy"
  certificate = "main"
  tls {
    mode = "off"
    client_certificates {
      ca = "clients.pem"
    }
  }
}
upstream "legacy" {
  address = "10.0.0.5:21"
}
certificate "main" {
  self_signed {}
}
