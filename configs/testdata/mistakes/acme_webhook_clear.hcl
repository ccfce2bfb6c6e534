listener "ftp" {
  address     = "127.0.0.1:0"
  upstream    = "legacy"
  certificate = "main"
}
upstream "legacy" {
  address = "10.0.0.5:21"
}
certificate "main" {
  acme {
    names     = ["ftp.example.com"]
    challenge = "dns-01"
    dns {
      webhook { url = "http://dns.internal/", token = "never-shown" }
    }
  }
}
