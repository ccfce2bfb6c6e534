policy "p" {
  defualt = "deny"
  default = "alow"
  mode    = monitor
  time_zone = "Europe/Brelin"
  rule = "x"
  limits "x" {}
  rule {
    action = "deny"
  }
  rule "a" "b" {
    action = "deny"
  }
  rule "no action" {
    commands = ["RETR"]
  }
  rule "no action" {
    action = "deny"
  }
  rule "types" {
    commands = "RETR"
    users    = [7, "a"]
    action   = 3
    from     = null
    path     = ["/a"]
  }
}
