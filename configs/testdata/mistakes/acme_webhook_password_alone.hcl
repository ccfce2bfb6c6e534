listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}
upstream "legacy" { address = "10.0.0.5:21" }
certificate "main" {
  acme {
    names     = ["ftp.example.com"]
    challenge = "dns-01"
    dns {
      webhook {
        url      = "https://dns.internal/acme"
        password = "hidden"
      }
    }
  }
}
