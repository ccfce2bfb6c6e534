policy "p" {
  rule "reading" {
    commands = ["@read", "@list"]
    action   = "allow"
  }
  rule "writing" {
    commands = ["@write"]
    from     = ["10.0.0.0/8"]
    paths    = ["/incoming/**"]
    action   = "deny"
  }
  rule "shadowed by one" {
    commands = ["RETR"]
    users    = ["a"]
    action   = "deny"
  }
  rule "shadowed in its networks and paths" {
    commands = ["STOR", "SIZE"]
    from     = ["10.1.0.0/16"]
    paths    = ["/incoming/a/*", "/incoming/**"]
    action   = "allow"
  }
  rule "not shadowed" {
    commands = ["STOR"]
    from     = ["10.1.0.0/16", "192.0.2.0/24"]
    paths    = ["/incoming/a/*"]
    action   = "allow"
  }
  rule "false" {
    commands = ["DELE"]
    when     = 1 == 2
    action   = "allow"
  }
  rule "true" {
    commands = ["DELE"]
    when     = 1 == 1
    action   = "allow"
  }
  rule "after true" {
    commands = ["DELE"]
    paths    = ["/x"]
    action   = "deny"
  }
  rule "no path" {
    commands = ["NOOP", "@login"]
    paths    = ["/x"]
    action   = "deny"
  }
  rule "empty" {
    commands = ["MKD"]
    users    = []
    action   = "deny"
  }
  rule "everybody, spelled out" {
    commands = ["SMNT"]
    users    = ["*"]
    action   = "deny"
  }
  rule "too late for anybody" {
    commands = ["SMNT"]
    action   = "allow"
  }
  rule "in one place" {
    commands = ["APPE"]
    paths    = ["/appendix/**"]
    action   = "allow"
  }
  rule "matters where the place is unknown" {
    commands = ["APPE"]
    paths    = ["/appendix/**"]
    action   = "deny"
  }
  limit "nothing" {
    users = ["a"]
  }
  limit "session rates" {
    rate_up               = "1MiB"
    rate_up_per_session   = "1MiB"
    rate_down             = "1MiB"
    rate_down_per_session = "2MiB"
  }
  limit "sensible" {
    rate_up               = "1MiB"
    rate_up_per_session   = "1023KiB"
    rate_down_per_session = "2MiB"
  }
}
