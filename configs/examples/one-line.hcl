# Small blocks on one line each: their settings, and blocks within them, are
# separated by commas. The listeners are those of explicit-and-implicit.hcl.

listener "ftp"  { address = ":21",  upstream = "legacy", certificate = "main" }
listener "ftps" { address = ":990", upstream = "legacy", certificate = "main", tls { mode = "implicit" } }

upstream "legacy" { address = "10.0.0.5:21", connect_timeout = "2s" }

certificate "main" {
  files { cert = "/etc/ftpsproxy/fullchain.pem", key = "/etc/ftpsproxy/key.pem" }
}

limits { sessions = 200, sessions_per_client = 10 }
log    { level = "info", format = "json", output = "stderr" }
