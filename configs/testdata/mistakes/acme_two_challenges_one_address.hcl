listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "legacy"
  certificate = ["main", "other"]
}
upstream "legacy" {
  address = "10.0.0.5:21"
}
certificate "main" {
  acme { names = ["ftp.example.com"] }
}
certificate "other" {
  acme { names = ["b.example.com"], challenge = "tls-alpn-01", address = "192.0.2.1:80" }
}
