# FROBNICATE is a command of this upstream alone.
policy "foreign" {
  rule "theirs" {
    commands = ["FROBNICATE"]
    action   = "allow"
  }
  rule "usual" {
    commands = ["@login", "@session"]
    action   = "allow"
  }
  rule "incoming" {
    commands = ["DELE"]
    paths    = ["/incoming/**"]
    action   = "allow"
  }
}
