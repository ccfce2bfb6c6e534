# Ada may delete in /ada, grace everywhere.
policy "users" {
  rule "ada speaks English" {
    commands = ["LANG"]
    users    = ["ada"]
    action   = "deny"
  }
  rule "everybody" {
    commands = ["@login", "@session", "@data", "@navigate"]
    action   = "allow"
  }
  rule "ada" {
    commands = ["DELE"]
    users    = ["ada"]
    paths    = ["/ada/**"]
    action   = "allow"
  }
  rule "grace" {
    commands = ["DELE"]
    users    = ["grace"]
    action   = "allow"
  }
}
