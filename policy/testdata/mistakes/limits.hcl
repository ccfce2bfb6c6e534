policy "p" {
  limit "a" {
    sessions            = 0
    rate_up             = "10MB"
    rate_down           = -1
    transfer_size       = true
    commands_per_second = 1.5
  }
  limit "a" {
    sessions = "4"
    rate     = "1MiB"
    rate_up  = "99999999999TiB"

    rate_up_per_session   = "0B"
    rate_down_per_session = "1MiB/s"
    rate_per_session      = "1MiB"
  }
}
