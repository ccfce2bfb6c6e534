listener "ftp" {
  address     = ":80"
  upstream    = "legacy"
  certificate = "main"
}
upstream "legacy" {
  address = "10.0.0.5:21"
}
certificate "main" {
  acme {
    names = ["ftp.example.com"]
  }
}
