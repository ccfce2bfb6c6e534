policy "anything" {
  rule "whatever it is" {
    commands = ["@unknown", "@login", "@session"]
    action   = "allow"
  }
}
