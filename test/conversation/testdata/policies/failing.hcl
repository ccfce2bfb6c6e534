# A condition that has no value for most arguments.
policy "failing" {
  default = "allow"
  rule "small files only" {
    commands = ["ALLO"]
    when     = parseint(command.argument, 10) > 1000
    action   = "deny"
    reply    = "552 Too large."
  }
}
