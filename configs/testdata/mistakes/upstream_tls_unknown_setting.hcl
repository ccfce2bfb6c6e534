listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

upstream "legacy" {
  address = "10.0.0.5:21"
  tls {
    mode = "explicit"
    verfy = false
    sni = "x"
  }
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}
