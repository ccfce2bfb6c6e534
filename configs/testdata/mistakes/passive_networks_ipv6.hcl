listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"

  passive {
    networks = { "2001:db8::/32" = "2001:db8::1" }
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
