listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
}

upstream "legacy" {
  address = "10.0.0.5:21"
}
