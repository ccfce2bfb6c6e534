policy "p" {
  rule "no code" {
    action = "deny"
    reply  = "Go away."
  }
  rule "not an error" {
    action = "deny"
    reply  = "226 Done."
  }
  rule "no text" {
    action = "deny"
    reply  = "550"
  }
  rule "two lines" {
    action = "deny"
    reply  = "550 No.\r\n226 Yes."
  }
  rule "the end" {
    action = "deny"
    reply  = "421 Bye."
  }
  rule "not the end" {
    action = "disconnect"
    reply  = "550 Bye."
  }
  rule "never said" {
    action = "allow"
    reply  = "550 Never."
  }
  reply "codes" {
    codes = ["227", "257", "x", "2200", "", "9"]
    text  = "two\nlines"
  }
  reply "no text" {
    codes = ["22"]
  }
}
