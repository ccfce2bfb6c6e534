listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

upstream "legacy" {
  address = "10.0.0.5:21"
  tls {
    mode   = "explicit"
    verify = false
  }
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}
