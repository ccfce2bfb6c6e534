listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"

  policy = "partners"
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}

policy "partners" {
  defualt = "deny"

  rule "uploads" {
    commands = ["@wirte", "STRO"]
    paths    = ["incoming/**"]
    action   = "permit"
  }

  rule "office hours" {
    commands = ["RETR"]
    when     = time.hours > 8
    action   = "allow"
  }
}
