policy "p" {
  rule "slips" {
    commands = [
      "STRO",
      "RETRR",
      "@reed",
      "@nothing-like-it",
      "AUTH",
      "HOST",
      "STAT path",
      "SITE CHMOD 644",
      "SITE ",
      "A-B",
      "7UP",
      "AVERYLONGVERBTHATNOBODYHAS",
      "",
    ]
    action = "deny"
  }
}
