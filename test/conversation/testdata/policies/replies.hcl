policy "replies" {
  default = "allow"
  reply "product" {
    commands = ["SYST", "HELP"]
    text     = "FTP service"
  }
  reply "where we are" {
    commands = ["*"]
    codes    = ["421", "15", "22", "25"]
    text     = "Nothing to see."
  }
}
