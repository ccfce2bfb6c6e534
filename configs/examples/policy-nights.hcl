# Backups run at night: from 22:00 to 6:00 nothing on the server changes.

listener "ftp" {
  address     = ":21"
  upstream    = "files"
  certificate = "main"
  policy      = "nights"
}

upstream "files" {
  address = "10.0.0.5:21"
}

certificate "main" {
  files {
    cert = "/etc/ftpsproxy/fullchain.pem"
    key  = "/etc/ftpsproxy/key.pem"
  }
}

policy "nights" {
  default   = "allow"
  time_zone = "Europe/Berlin"

  # Only what is known to leave everything as it is passes at night; a list of what
  # changes something would miss what a server may learn next year.
  rule "reading goes on" {
    commands = ["@login", "@session", "@data", "@navigate", "@list", "@read"]
    action   = "allow"
  }
  rule "read-only at night" {
    commands = ["*"]
    when     = time.hour >= 22 || time.hour < 6
    action   = "deny"
    reply    = "450 Read-only until 6:00. Please try again then."
  }

  test "by day" {
    session = { user = "anna", time = "2026-11-25T09:30:00Z" }
    command = "STOR /a"
    expect  = "allow"
  }
  test "shortly before" {
    session = { user = "anna", time = "2026-11-25T20:59:59Z" }
    command = "STOR /a"
    expect  = "allow"
  }
  test "in the evening, in Berlin" {
    session = { user = "anna", time = "2026-11-25T21:00:00Z" }
    command = "STOR /a"
    expect  = "deny"
    rule    = "read-only at night"
  }
  test "in the morning" {
    session = { user = "anna", time = "2026-11-25T04:59:59Z" }
    command = "DELE /a"
    expect  = "deny"
    rule    = "read-only at night"
  }
  test "reading at night" {
    session = { user = "anna", time = "2026-11-25T23:30:00Z" }
    command = "RETR /a"
    expect  = "allow"
  }
  test "times are not set at night" {
    session = { user = "anna", time = "2026-11-25T23:30:00Z" }
    command = "MFMT 20260101000000 /a"
    expect  = "deny"
  }
}
