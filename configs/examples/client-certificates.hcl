# Partners log in with certificates: on port 21 besides their password, on port 990
# instead of one. The server behind never sees the certificate.

listener "partners" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"

  tls {
    client_certificates {
      ca  = "/etc/ftpsproxy/partners.pem"
      crl = "/etc/ftpsproxy/partners.crl"
    }
  }
}

# Machines have no password: the certificate's common name is the user, and the
# server gets one password for all of them.
listener "machines" {
  address     = ":990"
  upstream    = "legacy"
  certificate = "main"

  tls {
    mode = "implicit"

    client_certificates {
      ca    = "/etc/ftpsproxy/machines.pem"
      map   = "dns"
      login = "only"
      # In practice env("MACHINES_PASSWORD") or file("/etc/ftpsproxy/machines.password").
      login_password = "an example, not a real one"
    }
  }

  passive { ports = "51000-51999" }
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
