# An authority of the house, such as step-ca, with an external account and a
# profile. Port 443 is forwarded to the implicit listener, which answers the
# challenge (tls-alpn-01) itself.

listener "ftps" {
  address     = ":990"
  upstream    = "legacy"
  certificate = "main"
  tls { mode = "implicit" }
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  acme {
    names     = ["ftp.internal.example.com", "10.1.2.3"]
    ca        = "https://ca.internal.example.com/acme/directory"
    ca_root   = "/etc/ftpsproxy/house-ca.pem"
    challenge = "tls-alpn-01"
    address   = ""
    profile   = "shortlived"
    eab {
      key_id = "ftpsproxy"
      # In practice env("EAB_KEY") or file("/etc/ftpsproxy/eab.key").
      mac_key = "ZXhhbXBsZSBrZXksIG5vdCBhIHJlYWwgb25l"
    }
  }
}
