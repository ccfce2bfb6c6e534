listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

upstream "legacy" {
  address = "10.0.0.5:21"
  server "10.0.0.6:21" {
    weight = 2
  }
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}
