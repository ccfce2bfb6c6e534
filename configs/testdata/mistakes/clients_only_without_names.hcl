listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "legacy"
  certificate = "main"
  tls {
    client_certificates {
      ca             = "clients.pem"
      map            = "none"
      login          = "only"
      login_password = "never-shown"
    }
  }
}
upstream "legacy" {
  address = "10.0.0.5:21"
}
certificate "main" {
  self_signed {}
}
