# No data connections that the proxy listens for, and none at all for programs.
policy "controlled" {
  default = "allow"
  rule "active mode only" {
    commands = ["PASV", "EPSV"]
    action   = "deny"
    reply    = "502 Use PORT."
  }
  rule "insults" {
    commands = ["HELP", "DELE"]
    action   = "disconnect"
    reply    = "421 Good riddance."
  }
}
