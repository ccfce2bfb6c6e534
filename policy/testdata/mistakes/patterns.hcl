policy "p" {
  rule "paths" {
    paths  = ["incoming/**", "/a/../b", "/a/", "/a**", "/[a", "/{a", "*.exe", "/a\\", "/{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}"]
    users  = ["[z-a]"]
    hosts  = ["{"]
    action = "deny"
  }
  rule "networks" {
    from   = ["198.51.100.1/24", "198.51.100.0/33", "example.com", "::ffff:198.51.100.0/120", "fe80::1%eth0", "10.0.0.1"]
    action = "deny"
  }
  rule "arguments" {
    arguments = ["(", "(?=a)", "((a{100}){100}){100}", "^ok$"]
    action    = "deny"
  }
}
