# Partners work below /incoming and see its tree; what is in /incoming/secret, and
# programs, are nobody's. Everything else is denied.
policy "besieged" {
  rule "login, session, navigation" {
    commands = ["@login", "@session", "@data", "@navigate"]
    action   = "allow"
  }
  rule "SITE EXEC is an attack" {
    commands = ["SITE EXEC"]
    action   = "disconnect"
  }
  rule "secret" {
    paths  = ["/incoming/secret/**"]
    action = "deny"
    reply  = "553 Not for you."
  }
  rule "no programs" {
    commands = ["@write", "RNTO"]
    paths    = ["**/*.{exe,php}"]
    action   = "deny"
  }
  rule "incoming" {
    commands = ["@list", "@read", "@write", "@rename", "MKD", "DELE", "SITE CHMOD"]
    paths    = ["/incoming/**"]
    action   = "allow"
  }
}
