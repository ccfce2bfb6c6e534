policy "features" {
  rule "usual" {
    commands = ["@login", "@session", "@navigate", "EPSV", "MDTM", "SITE CHMOD"]
    action   = "allow"
  }
  rule "ada writes" {
    commands = ["SIZE"]
    users    = ["ada"]
    paths    = ["/ada/**"]
    action   = "allow"
  }
  rule "grace sets times" {
    commands = ["MFMT"]
    users    = ["grace"]
    action   = "allow"
  }
}
