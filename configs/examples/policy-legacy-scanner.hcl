# An old scanner knows no TLS. From its own network, and only there, its user may log in
# and send files in clear text, into one directory; it can do nothing else. Everybody
# else uses TLS for logins and for files.

listener "ftp" {
  address     = ":21"
  upstream    = "files"
  certificate = "main"
  policy      = "scanner"

  # The policy says who may do without.
  tls {
    control = "allow"
    data    = "allow"
  }
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

policy "scanner" {
  rule "the scanner is in its network" {
    commands = ["*"]
    users    = ["scanner"]
    when     = !cidr(client.address, "10.20.0.0/16")
    action   = "deny"
    reply    = "530 Not from here."
  }
  rule "no other password in clear text" {
    commands = ["USER", "PASS", "ACCT"]
    when     = !tls.active && user.name != "scanner"
    action   = "deny"
    reply    = "530 TLS is required: AUTH TLS comes first."
  }
  rule "no other file in clear text" {
    commands = ["LIST", "NLST", "MLSD", "RETR", "STOR", "STOU", "APPE"]
    when     = tls.data == "clear" && user.name != "scanner"
    action   = "deny"
    reply    = "521 Data connections must be private: PROT P comes first."
  }
  rule "session" {
    commands = ["@login", "@session", "@data", "@navigate"]
    action   = "allow"
  }
  rule "scans" {
    commands = ["STOR", "MKD"]
    users    = ["scanner"]
    paths    = ["/scans/**"]
    action   = "allow"
  }
  rule "nothing else for the scanner" {
    commands = ["*"]
    users    = ["scanner"]
    action   = "deny"
  }
  rule "people" {
    commands = ["@list", "@read", "@write", "@delete", "@rename", "@mkdir"]
    action   = "allow"
  }

  test "the scanner logs in without TLS" {
    session = { user = "scanner", from = "10.20.3.4", logged_in = false }
    command = "PASS x"
    expect  = "allow"
  }
  test "the scanner sends in clear text" {
    session = { user = "scanner", from = "10.20.3.4", directory = "/scans" }
    command = "STOR 0001.pdf"
    expect  = "allow"
    rule    = "scans"
  }
  test "the scanner reads nothing" {
    session = { user = "scanner", from = "10.20.3.4", directory = "/scans" }
    command = "RETR 0001.pdf"
    expect  = "deny"
    rule    = "nothing else for the scanner"
  }
  test "the scanner sends nothing elsewhere" {
    session = { user = "scanner", from = "10.20.3.4", directory = "/scans" }
    command = "STOR ../home/anna/.profile"
    expect  = "deny"
  }
  test "nobody is the scanner elsewhere" {
    session = { user = "scanner", from = "198.51.100.4", logged_in = false }
    command = "USER scanner"
    expect  = "deny"
    rule    = "the scanner is in its network"
  }
  test "nor with TLS" {
    session = { user = "scanner", from = "198.51.100.4", tls = { version = "1.3" } }
    command = "STOR /scans/0001.pdf"
    expect  = "deny"
  }
  test "nobody else in clear text" {
    session = { user = "anna", from = "10.20.3.4", logged_in = false }
    command = "USER anna"
    expect  = "deny"
    rule    = "no other password in clear text"
  }
  test "with TLS" {
    session = { user = "anna", from = "198.51.100.4", logged_in = false, tls = { version = "1.3" } }
    command = "USER anna"
    expect  = "allow"
  }
  test "a private file" {
    session = { user = "anna", from = "198.51.100.4", tls = { version = "1.3", data = "private" } }
    command = "RETR /scans/0001.pdf"
    expect  = "allow"
    rule    = "people"
  }
  test "no clear file" {
    session = { user = "anna", from = "198.51.100.4", tls = { version = "1.3", data = "clear" } }
    command = "RETR /scans/0001.pdf"
    expect  = "deny"
    rule    = "no other file in clear text"
  }
}
