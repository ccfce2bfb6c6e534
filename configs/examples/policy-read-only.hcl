# Everybody may look around and fetch; nothing on the server changes. Run the tests
# at the end with: ftpsproxy policy test --config policy-read-only.hcl

listener "ftp" {
  address     = ":21"
  upstream    = "files"
  certificate = "main"
  policy      = "read-only"
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

policy "read-only" {
  # What is not named is denied: also what a server may learn next year.
  default = "deny"

  # MDTM with a time, and everything else that alters a file, is in @write. STAT with
  # a path is in @list.
  rule "look and fetch" {
    commands = ["@login", "@session", "@data", "@navigate", "@list", "@read"]
    action   = "allow"
  }

  # Clients show this to people, who should not think that the server is broken.
  rule "no changes" {
    commands = ["@write", "@delete", "@rename", "@mkdir"]
    action   = "deny"
    reply    = "550 This server is read-only."
  }

  test "a file is fetched" {
    session = { user = "anna" }
    command = "RETR /pub/a.pdf"
    expect  = "allow"
  }
  test "a listing" {
    session = { user = "anna" }
    command = "LIST -la /pub"
    expect  = "allow"
  }
  test "a file's time is read" {
    session = { user = "anna" }
    command = "MDTM /pub/a.pdf"
    expect  = "allow"
  }
  test "a file's time is not set" {
    session = { user = "anna" }
    command = "MDTM 20260101000000 /pub/a.pdf"
    expect  = "deny"
    rule    = "no changes"
  }
  test "no upload" {
    session = { user = "anna" }
    command = "STOR /pub/a.pdf"
    expect  = "deny"
    rule    = "no changes"
  }
  test "no upload under a name of the server's choice" {
    session = { user = "anna" }
    command = "STOU"
    expect  = "deny"
  }
  test "no new directory by its old name" {
    session = { user = "anna" }
    command = "XMKD /pub/new"
    expect  = "deny"
  }
  test "no renaming" {
    session = { user = "anna" }
    command = "RNFR /pub/a.pdf"
    expect  = "deny"
  }
  test "no access rights" {
    session = { user = "anna" }
    command = "SITE CHMOD 777 /pub/a.pdf"
    expect  = "deny"
  }
  test "no copies on the server" {
    session = { user = "anna" }
    command = "SITE CPTO /pub/b.pdf"
    expect  = "deny"
  }
  test "nothing that nobody knows" {
    session = { user = "anna" }
    command = "FROBNICATE /pub/a.pdf"
    expect  = "deny"
  }
}
