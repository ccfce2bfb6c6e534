listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"

  passive {
    networks = { "10.0.0.0" = "10.0.0.9" }
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
