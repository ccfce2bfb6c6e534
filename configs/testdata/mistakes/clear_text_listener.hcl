listener "ftp" {
  address     = ":21"
  upstream    = "legacy"

  tls {
    mode = "off"
  }
}

upstream "legacy" {
  address = "10.0.0.5:21"
}
