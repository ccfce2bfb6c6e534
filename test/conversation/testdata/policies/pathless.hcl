# Nothing in it depends on a path.
policy "pathless" {
  default = "allow"
  rule "no deleting" {
    commands = ["@delete"]
    action   = "deny"
  }
}
