# A letter box: files are dropped into /incoming, and whoever dropped them can neither
# list nor read what is there, nor change it afterwards. That a file of the same name
# is not replaced is the server's to see to, or the clients' with STOU.

listener "ftp" {
  address     = ":21"
  upstream    = "files"
  certificate = "main"
  policy      = "drop-box"
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

policy "drop-box" {
  rule "come and go" {
    commands = ["@login", "@data", "CWD", "CDUP", "PWD"]
    action   = "allow"
  }
  # All of @session but REST, which would let a second upload change the middle of the
  # first.
  rule "session" {
    commands = ["QUIT", "NOOP", "SYST", "HELP", "FEAT", "OPTS UTF8", "TYPE", "MODE", "STRU", "CLNT", "ALLO", "ABOR"]
    action   = "allow"
  }
  # With an argument STAT is a listing.
  rule "status" {
    commands  = ["STAT"]
    arguments = ["^$"]
    action    = "allow"
  }
  # Not APPE, which would add to what is there.
  rule "drop" {
    commands = ["STOR", "STOU", "MKD"]
    paths    = ["/incoming/**"]
    action   = "allow"
  }
  rule "what is in the box stays in the box" {
    commands = ["@list", "@read", "@delete", "@rename", "APPE"]
    action   = "deny"
    reply    = "550 Files can be left here, and nothing else."
  }

  limit "no flood" {
    transfer_size       = "2GiB"
    commands_per_second = 20
  }

  test "a file is dropped" {
    session = { user = "guest", directory = "/incoming" }
    command = "STOR scan.pdf"
    expect  = "allow"
    rule    = "drop"
  }
  test "into a directory of its own" {
    session = { user = "guest" }
    command = "MKD /incoming/2026-11"
    expect  = "allow"
  }
  test "under a name of the server's choice" {
    session = { user = "guest", directory = "/incoming" }
    command = "STOU"
    expect  = "allow"
  }
  test "nowhere else" {
    session = { user = "guest", directory = "/incoming" }
    command = "STOR ../web/index.html"
    expect  = "deny"
  }
  test "nowhere else by STOU" {
    session = { user = "guest", directory = "/web" }
    command = "STOU"
    expect  = "deny"
  }
  test "no reading back" {
    session = { user = "guest", directory = "/incoming" }
    command = "RETR scan.pdf"
    expect  = "deny"
    rule    = "what is in the box stays in the box"
  }
  test "no listing" {
    session = { user = "guest", directory = "/incoming" }
    command = "NLST"
    expect  = "deny"
  }
  test "no listing on the control connection" {
    session = { user = "guest", directory = "/incoming" }
    command = "STAT ."
    expect  = "deny"
  }
  test "the status of the session" {
    session = { user = "guest", directory = "/incoming" }
    command = "STAT"
    expect  = "allow"
  }
  test "no asking for a size" {
    session = { user = "guest", directory = "/incoming" }
    command = "SIZE scan.pdf"
    expect  = "deny"
  }
  test "no appending" {
    session = { user = "guest", directory = "/incoming" }
    command = "APPE scan.pdf"
    expect  = "deny"
  }
  test "no writing into the middle" {
    session = { user = "guest", directory = "/incoming" }
    command = "REST 100"
    expect  = "deny"
  }
  test "no moving away" {
    session = { user = "guest", directory = "/incoming" }
    command = "RNFR scan.pdf"
    expect  = "deny"
  }
  test "no deleting" {
    session = { user = "guest", directory = "/incoming" }
    command = "DELE scan.pdf"
    expect  = "deny"
  }
}
