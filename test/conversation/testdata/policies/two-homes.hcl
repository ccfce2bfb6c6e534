# Renames stay within one home.
policy "two-homes" {
  rule "usual" {
    commands = ["@login", "@session", "@navigate"]
    action   = "allow"
  }
  rule "a" {
    commands = ["@rename"]
    paths    = ["/a/**"]
    action   = "allow"
  }
  rule "b" {
    commands = ["@rename"]
    paths    = ["/b/**"]
    action   = "allow"
  }
}
