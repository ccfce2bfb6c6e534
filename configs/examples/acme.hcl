# A certificate from Let's Encrypt, which asks for it at port 80 of the name; it is
# renewed in time, without a restart.

listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

# Implicit FTPS shows the same certificate.
listener "ftps" {
  address     = ":990"
  upstream    = "legacy"
  certificate = "main"
  tls { mode = "implicit" }
  passive { ports = "51000-51999" }
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  acme {
    names = ["ftp.example.com"]
    email = "ops@example.com"
  }
}
