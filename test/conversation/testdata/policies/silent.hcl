# Not even QUIT, once somebody has logged in.
policy "silent" {
  rule "login" {
    commands = ["@login", "@data", "STOR", "NOOP"]
    action   = "allow"
  }
  rule "strangers may go" {
    commands = ["QUIT"]
    when     = !session.logged_in
    action   = "allow"
  }
}
