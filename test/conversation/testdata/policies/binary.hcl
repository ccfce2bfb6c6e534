policy "binary" {
  rule "text would be damaged" {
    commands = ["@read", "@write"]
    when     = transfer.type == "I"
    action   = "allow"
  }
  rule "usual" {
    commands = ["@login", "@session", "@data"]
    action   = "allow"
  }
}
