# A directory that is written with the letter é in one code point.
policy "unicode" {
  default = "allow"
  rule "café" {
    paths  = ["/café/**"]
    action = "deny"
  }
}
