listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
  passive {
    networks = { "10.0.0.0" = "10.0.0.9", "10.1.0.0/16" = "nowhere", "10.2.0.0/16" = null }
  }
}
upstream "legacy" {
  address = "10.0.0.5:21"
  tls {
    mode = "explicit"
    pins = ["short", "alsoshort"]
  }
}
certificate "main" {
  acme {
    names = [
      "ftp.example.com",
      "no name",
      null,
      7,
      "ftp.example.com",
    ]
  }
}
