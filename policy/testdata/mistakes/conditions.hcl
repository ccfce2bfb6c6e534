policy "p" {
  rule "unknown root" {
    when   = tsl.version == "1.3"
    action = "allow"
  }
  rule "unknown name" {
    when   = tls.versoin == "1.3"
    action = "allow"
  }
  rule "unknown attribute" {
    when   = tls.client_certificate.name == "x"
    action = "allow"
  }
  rule "unknown function" {
    when   = startwith(command.path, "/a")
    action = "allow"
  }
  rule "wrong type" {
    when   = tls.version == 1.3
    action = "allow"
  }
  rule "no condition" {
    when   = user.name
    action = "allow"
  }
  rule "null" {
    when   = null
    action = "allow"
  }
  rule "number" {
    when   = 1 + 1
    action = "allow"
  }
  rule "pattern" {
    when   = matches(command.path, "(") || cidr(client.address, "10.0.0.1/8") || glob(user.name, "[")
    action = "allow"
  }
  rule "nested for" {
    when   = length([for a in [1, 2] : [for b in [1, 2] : a]]) > 1
    action = "allow"
  }
  rule "huge" {
    when   = "${1e999999999}" == user.name
    action = "allow"
  }
  rule "as huge" {
    when   = "x${1e99999999}" == user.name
    action = "allow"
  }
  rule "arguments" {
    when   = glob(user.name)
    action = "allow"
  }
}
