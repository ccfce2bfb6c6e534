policy "p" {
  rule "reads" {
    commands = ["RETR"]
    action   = "allow"
  }
  test "slips" {
    session = {
      usr    = "a"
      from   = "nowhere"
      time   = "now"
      denied = -1
      tls    = { verison = "1.3", active = "yes", client_certificate = { cn = 7, emails = "a" } }
    }
    command = "RETR\r\nDELE a"
    expect  = "alow"
    rule    = "raeds"
  }
  test "more" {
    session = "a"
    command = "AUTH TLS"
  }
}
