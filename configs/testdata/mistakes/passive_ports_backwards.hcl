listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"

  passive {
    ports = "50999-50000"
  }
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}
