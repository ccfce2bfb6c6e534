# The proxy has a private address; a router forwards port 21 and the passive ports
# to it. Clients must be told the router's public address.

listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"

  passive {
    ports = "50000-50199" # forwarded by the router, with the same numbers

    # With an address that changes: a dynamic DNS name, such as
    # "ftp.example.com".
    advertise = "203.0.113.7"
  }

  # Connections from the proxy to its clients would leave from an address that
  # they do not expect.
  active {
    enabled = false
  }
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  files {
    cert = "/etc/ftpsproxy/fullchain.pem"
    key  = "/etc/ftpsproxy/key.pem"
  }
}
