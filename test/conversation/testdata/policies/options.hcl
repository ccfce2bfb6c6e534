policy "options" {
  rule "not these facts" {
    commands = ["OPTS MLST"]
    action   = "deny"
    reply    = "504 The facts stay as they are."
  }
  rule "the rest" {
    commands = ["@login", "@session", "@list"]
    action   = "allow"
  }
}
