# No port can be reached from outside: the authority looks for a record in the zone
# (dns-01), which is put there by a dynamic update with a TSIG key. So wildcards can
# be had, too.

listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
  passive { advertise = "203.0.113.7" }
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  acme {
    names     = ["ftp.example.com", "*.files.example.com"]
    email     = "ops@example.com"
    challenge = "dns-01"
    dns {
      rfc2136 {
        server        = "ns1.example.com:53"
        zone          = "example.com."
        key_name      = "ftpsproxy"
        key_algorithm = "hmac-sha256"
        # In practice file("/etc/ftpsproxy/tsig.key") or env("TSIG_KEY").
        key = "ZXhhbXBsZSBrZXksIG5vdCBhIHJlYWwgb25l"
      }
    }
  }
}
