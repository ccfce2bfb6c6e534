listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"

  passive {
    networks = {
      "2001:db8::/32"   = "10.0.0.9"
      "2001:db8:0::/32" = "10.0.0.8"
    }
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
