listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"

  policy = "partners"
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}

policy "partner" { default = "allow" }
