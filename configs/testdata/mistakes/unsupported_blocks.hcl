listener "ftp" {
  address     = ":21"
  upstream    = "legacy"
  certificate = "main"
}

upstream "legacy" {
  address = "10.0.0.5:21"
}

certificate "main" {
  self_signed {
    names = ["localhost"]
  }
}

bans {
}

process {
}

admin {
}

audit {
}
