listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  cert        = "main"
}
upstream "legacy" { address = "10.0.0.5:21" }
certificate "main" {
  acme {
    names = ["ftp.example.com"]
    cax   = "letsencrypt"
  }
}
storage { di = "/var/lib/ftpsproxy" }
