# The server is being worked on: clients are told so at USER and leave again, and it
# never hears of them. Point the listener at this policy and send SIGHUP: sessions
# that run hear it at their next command.

listener "ftp" {
  address     = ":21"
  upstream    = "files"
  certificate = "main"
  policy      = "maintenance"
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

policy "maintenance" {
  rule "the way out" {
    commands = ["QUIT", "NOOP"]
    action   = "allow"
  }
  # Monitoring and the people who do the work come from here.
  rule "we" {
    commands = ["*"]
    from     = ["10.0.0.0/24"]
    action   = "allow"
  }
  rule "later" {
    commands = ["*"]
    action   = "deny"
    reply    = "530 Maintenance until 18:00 UTC. Please try again then."
  }

  test "a client is told" {
    session = { user = "anna", from = "198.51.100.4", logged_in = false }
    command = "USER anna"
    expect  = "deny"
    rule    = "later"
  }
  test "a client that is here is told" {
    session = { user = "anna", from = "198.51.100.4" }
    command = "STOR /a"
    expect  = "deny"
    rule    = "later"
  }
  test "so is one with commands of its own" {
    session = { user = "anna", from = "198.51.100.4" }
    command = "FROBNICATE"
    expect  = "deny"
    rule    = "later"
  }
  test "a client may leave" {
    session = { user = "anna", from = "198.51.100.4" }
    command = "QUIT"
    expect  = "allow"
  }
  test "we work" {
    session = { user = "root", from = "10.0.0.9" }
    command = "STOR /a"
    expect  = "allow"
    rule    = "we"
  }
}
