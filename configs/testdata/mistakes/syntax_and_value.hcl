listener "ftp" {
  address = :21

  tls {
    mode = "none"
  }
}
