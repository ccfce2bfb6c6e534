policy "hosts" {
  rule "usual" {
    commands = ["@login", "@session"]
    action   = "allow"
  }
  rule "files" {
    commands = ["DELE"]
    hosts    = ["files.example.com"]
    when     = session.host == "files.example.com"
    action   = "allow"
  }
}
