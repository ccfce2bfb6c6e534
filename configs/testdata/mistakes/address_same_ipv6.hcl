listener "ftp" {
  address     = "[2001:db8::1]:21"
  upstream    = "legacy"
  certificate = "main"
}

listener "other" {
  address     = "[2001:db8:0::1]:21"
  upstream    = "legacy"
  certificate = "main"
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}
