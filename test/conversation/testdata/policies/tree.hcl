# Everything below /incoming.
policy "tree" {
  rule "usual" {
    commands = ["@login", "@session", "@data", "PWD"]
    action   = "allow"
  }
  rule "incoming" {
    commands = ["*"]
    paths    = ["/incoming/**"]
    action   = "allow"
  }
}
