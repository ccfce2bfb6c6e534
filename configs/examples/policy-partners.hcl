# Each partner has a directory, /partners/NAME, named as the user; nobody sees
# another's. The name is part of a condition: note what it takes to compare it safely.

listener "ftp" {
  address     = ":21"
  upstream    = "files"
  certificate = "main"
  policy      = "partners"
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

policy "partners" {
  # "/" or ".." in a name would make another directory of it, and an empty one would
  # make all of them. The server should know no such user; the policy does not rely
  # on that.
  rule "names of partners" {
    commands = ["USER"]
    when     = !matches(user.name, "^[a-z0-9][a-z0-9_-]*$")
    action   = "deny"
  }
  # CWD leads nowhere that a path would not lead to: what is relative is judged by where
  # the server says that the client stands.
  rule "session" {
    commands = ["@login", "@session", "@data", "@navigate"]
    action   = "allow"
  }

  # Both ends of a rename have to be at home. This rule comes first: the next one
  # looks at one end only.
  rule "rename at home" {
    commands = ["RNTO"]
    when = (startswith(command.path, "/partners/${user.name}/") &&
    startswith(command.path_from, "/partners/${user.name}/"))
    action = "allow"
  }
  # The "/" at the end matters: without it acme would also own acme-test.
  rule "at home" {
    commands = ["@list", "@read", "@write", "@delete", "@mkdir", "RNFR"]
    when     = startswith("${command.path}/", "/partners/${user.name}/")
    action   = "allow"
  }

  limit "each partner's share" {
    rate_down           = "50MiB"
    commands_per_second = 50
  }

  test "login" {
    session = { user = "acme", logged_in = false }
    command = "USER acme"
    expect  = "allow"
  }
  test "at home by a relative path" {
    session = { user = "acme", directory = "/partners/acme" }
    command = "STOR orders/1.csv"
    expect  = "allow"
    rule    = "at home"
  }
  test "the directory itself is listed" {
    session = { user = "acme", directory = "/partners/acme" }
    command = "LIST -la"
    expect  = "allow"
  }
  test "rename at home" {
    session     = { user = "acme", directory = "/partners/acme" }
    command     = "RNTO 1.csv"
    rename_from = "1.csv.part"
    expect      = "allow"
    rule        = "rename at home"
  }
  test "not at another's" {
    session = { user = "acme" }
    command = "RETR /partners/bolt/1.csv"
    expect  = "deny"
  }
  test "not at another's with a longer name" {
    session = { user = "acme" }
    command = "RETR /partners/acme-test/1.csv"
    expect  = "deny"
  }
  test "not upwards" {
    session = { user = "acme", directory = "/partners/acme" }
    command = "RETR ../bolt/1.csv"
    expect  = "deny"
  }
  test "not the list of partners" {
    session = { user = "acme" }
    command = "LIST /partners"
    expect  = "deny"
  }
  test "not to another's by a rename" {
    session     = { user = "acme", directory = "/partners/acme" }
    command     = "RNTO /partners/bolt/1.csv"
    rename_from = "1.csv"
    expect      = "deny"
  }
  test "not from another's by a rename" {
    session     = { user = "acme", directory = "/partners/acme" }
    command     = "RNTO 1.csv"
    rename_from = "/partners/bolt/1.csv"
    expect      = "deny"
  }
  test "not the directory itself by a rename" {
    session     = { user = "acme" }
    command     = "RNTO /partners/acme/inside"
    rename_from = "/partners/acme"
    expect      = "deny"
  }
  test "nobody owns all" {
    session = { user = "", logged_in = true }
    command = "RETR /partners/bolt/1.csv"
    expect  = "deny"
  }
  test "no directory for a name" {
    session = { user = "acme/../bolt", logged_in = false }
    command = "USER acme/../bolt"
    expect  = "deny"
    rule    = "names of partners"
  }
  test "no blank behind a name" {
    session = { user = "acme ", logged_in = false }
    command = "USER acme "
    expect  = "deny"
    rule    = "names of partners"
  }
  test "where nobody knows where we are" {
    session = { user = "acme", directory = "" }
    command = "STOR 1.csv"
    expect  = "deny"
  }
}
