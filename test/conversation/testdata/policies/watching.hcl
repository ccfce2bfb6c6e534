# What "besieged" denies, but it only watches.
policy "watching" {
  mode = "monitor"
  rule "login, session, navigation" {
    commands = ["@login", "@session", "@data", "@navigate"]
    action   = "allow"
  }
  rule "programs" {
    commands = ["@write"]
    paths    = ["**/*.exe"]
    action   = "disconnect"
  }
  rule "incoming" {
    commands = ["@rename"]
    paths    = ["/incoming/**"]
    action   = "allow"
  }
}
