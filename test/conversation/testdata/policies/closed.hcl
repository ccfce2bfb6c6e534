policy "closed" {
  rule "only the way out" {
    commands = ["@login", "QUIT"]
    action   = "allow"
  }
}
