listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "legacy"
  certificate = "main"
  tls {
    client_certificates {
      ca   = "clients.pem"
      mode = "required"
      map  = "uid"
    }
  }
}
upstream "legacy" {
  address = "10.0.0.5:21"
}
certificate "main" {
  self_signed {}
}
