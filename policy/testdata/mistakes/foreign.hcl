policy "p" {
  rule "their own verb" {
    commands = ["FROBNICATE", "SITE FROB", "OPTS frob", "site exec", "retr"]
    action   = "allow"
  }
}
