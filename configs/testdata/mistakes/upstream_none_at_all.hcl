listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}
