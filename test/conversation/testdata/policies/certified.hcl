# Only a client whose certificate names it, and who is on the list, gets in.
policy "certified" {
  default = "deny"

  rule "leaving" {
    commands = ["QUIT"]
    action   = "allow"
  }
  rule "machines that the house knows" {
    commands = ["@login", "@session"]
    users    = ["ada"]
    when     = tls.client_certificate.cn == user.name && tls.client_certificate.issuer == "CN=Clients"
    action   = "allow"
  }
}
