listener "ftp" {
  address     = "127.0.0.1:443"
  upstream    = "legacy"
  certificate = "main"
  tls { mode = "implicit" }
}
upstream "legacy" {
  address = "10.0.0.5:21"
}
certificate "main" {
  acme {
    names     = ["ftp.example.com"]
    challenge = "tls-alpn-01"
  }
}
