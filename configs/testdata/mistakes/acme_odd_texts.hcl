listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}
upstream "legacy" { address = "10.0.0.5:21" }
certificate "main" {
  acme {
    names     = ["ftp.example.com"]
    email     = "ops"
    challenge = "dns-01"
    profile   = "short\u0000lived"
    dns {
      rfc2136 {
        server   = "ns1:53"
        zone     = "no zone"
        key_name = "no name"
        key      = env("HOME")
      }
    }
  }
}
