listener "ftp" {
  address     = ":21"
  certificate = "main"
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}
