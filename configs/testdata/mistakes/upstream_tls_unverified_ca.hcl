listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

upstream "legacy" {
  address = "10.0.0.5:21"
  tls {
    mode   = "implicit"
    verify = false
    ca     = "ca.pem"
  }
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}
