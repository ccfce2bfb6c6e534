# A server behind a firewall that lets it dial out, but lets nobody dial its
# passive ports. Clients do as they like; towards the server the proxy always uses
# PORT or EPRT.

listener "ftp" {
  address     = ":21"
  upstream    = "mainframe"
  certificate = "main"
}

upstream "mainframe" {
  address   = "10.9.0.2:21"
  data_mode = "active"

  # Mainframes take their time.
  connect_timeout = "15s"
}

certificate "main" {
  files {
    cert = "/etc/ftpsproxy/fullchain.pem"
    key  = "/etc/ftpsproxy/key.pem"
  }
}

limits {
  reply_timeout = "3m"
  stall_timeout = "5m"
}
