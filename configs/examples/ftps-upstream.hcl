# The server behind speaks FTPS itself, with a certificate from an authority of
# the house; the proxy shows it a certificate in return. Clients inside the house
# reach the proxy past the NAT and are told its inner address.

listener "ftp" {
  address     = ":21"
  upstream    = "archive"
  certificate = "main"

  passive {
    ports     = "50000-50999"
    advertise = "203.0.113.7"
    networks  = { "10.0.0.0/8" = "10.0.0.9" }
  }
}

upstream "archive" {
  address = "archive.internal:990"

  tls {
    mode        = "implicit"
    ca          = "/etc/ftpsproxy/house-ca.pem"
    certificate = "proxy"
    min_version = "1.2"
  }
}

# Known by its key: the appliance's certificate names nobody and never changes.
listener "appliance" {
  address     = ":2121"
  upstream    = "appliance"
  certificate = "main"

  passive {
    ports = "51000-51099"
  }
}

upstream "appliance" {
  address = "10.0.0.6:21"

  tls {
    mode        = "explicit"
    server_name = "appliance"
    ca          = "/etc/ftpsproxy/appliance.pem"
    pins        = ["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
    data        = "match"
  }
}

certificate "main" {
  files {
    cert = "/etc/ftpsproxy/fullchain.pem"
    key  = "/etc/ftpsproxy/key.pem"
  }
}

certificate "proxy" {
  files {
    cert = "/etc/ftpsproxy/client.pem"
    key  = "/etc/ftpsproxy/client.key"
  }
}
