# Nobody gets in.
policy "strangers" {
  rule "the way out" {
    commands = ["@session"]
    action   = "allow"
  }
}
