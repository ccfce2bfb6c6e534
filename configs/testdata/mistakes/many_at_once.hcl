listener "ftp" {
  address  = "21"
  upstrem  = "legacy"
  greeting = 5

  passive {
    ports     = "1-2-3"
    advertise = "not a host"
  }
}

upstream "legacy" {
  address   = "10.0.0.5"
  data_mode = "both"
}

limits {
  sesions = 3
}
