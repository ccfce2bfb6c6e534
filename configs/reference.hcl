# Every setting that this version understands, each at its default.
#
# Durations are "90s", "10m", "1h30m". Sizes are bytes, or "64KiB", "10MiB".
# Relative paths are relative to the folder of this file. One file, or a folder
# of *.hcl that is read as one. The file is HCL 2, except that a block on one line
# may hold several settings: files { cert = "chain.pem", key = "key.pem" }.
#
# `ftpsproxy check --config FILE` says what is wrong, or what would run. SIGHUP
# reads everything again: new sessions follow the new settings, running ones keep
# theirs; a listener's address changes at the next start only.

# A listener is one address at which clients are accepted. Its name (letters,
# digits, "-", "_", ".") stands in the log and in the line that announces it.
listener "ftp" {
  # Required. HOST:PORT; without a host, all addresses of the machine, IPv4 and
  # IPv6. Port 0: one that the kernel chooses. Ports below 1024 need
  # CAP_NET_BIND_SERVICE (see ftpsproxy.service).
  address = ":21"

  # Required. The name of an upstream block.
  upstream = "legacy"

  # The name of a certificate block, or a list of names: then the client's SNI
  # chooses, and the first is shown to clients that send none. Required unless
  # tls mode is "off".
  certificate = ["main", "public", "wild", "by-program", "by-webhook", "trial"]

  # The name of a policy block, which decides about every command. Without one,
  # everything that the proxy understands is allowed.
  policy = "partners"

  # The text of our 220. One line; tell strangers nothing about the product.
  greeting = "FTP service ready"

  tls {
    # explicit: clients start TLS with AUTH TLS (port 21, RFC 4217)
    # implicit: TLS from the first byte (port 990)
    # off:      no TLS; everything crosses the network in clear text
    mode = "explicit"

    # require: USER before TLS is answered 530
    # allow:   clients may log in without TLS; their passwords can be read
    control = "require"

    # require: a transfer under PROT C is answered 521
    # allow:   files may cross in clear text if the client wants it so
    data = "require"

    # Must the TLS of a data connection resume the control connection's, as proof
    # that the same client opened it?
    # prefer:  it may
    # require: else 522; shuts out clients that never resume, such as Python's
    #          ftplib
    # off:     sessions are not resumed at all, each handshake is a full one
    session_reuse = "prefer"

    # An upload that ended without TLS's close_notify may have been cut short by
    # somebody on the way; many clients never send one.
    # log:   accepted, and logged
    # fail:  426, and the upstream never sees a clean end
    # allow: accepted
    truncation = "log"

    # The oldest version that clients may speak: "1.2" or "1.3".
    min_version = "1.2"

    # CCC makes the control connection clear again after login, for firewalls that
    # have to read PASV and PORT; data connections stay private.
    # deny:  534
    # allow: whoever is on the way can read and change what follows
    ccc = "deny"

    # Clients are asked for a certificate of their own, on control and data
    # connections, and have to show the same one on both. Without this block they
    # are not asked.
    client_certificates {
      # require:  no login without one, in clear text neither
      # optional: clients without one log in as ever
      mode = "require"

      # Required. PEM file of the authorities whose certificates are accepted.
      # Looked at every few seconds, as crl is: an unusable one changes nothing.
      ca = "clients.pem"

      # Certificate revocation lists, PEM or one in DER, each a full one: no delta
      # and no indirect list, and each says when the next one is due. "": nobody asks.
      # With lists, only clients of an authority that has a current one are accepted:
      # where it is overdue they are refused, and the log says so. A revocation reaches
      # running sessions at their next transfer.
      crl = ""

      # Where the certificate says for which user it speaks.
      # cn:    the subject's common name, if there is just one
      # email: the e-mail addresses of the subject alternative name
      # dns:   the DNS names of the subject alternative name
      # none:  nowhere; the login is as without a certificate
      map = "cn"

      # match: USER must be one of these names, else 530; the password is the
      #        upstream's affair
      # only:  the certificate is the login: its name replaces USER's, PASS is not
      #        asked for (232), and the upstream gets
      #        login_password = env("FTP_LOGIN_PASSWORD"), or file("path")
      login = "match"
    }
  }

  passive {
    # Where clients open data connections to after PASV and EPSV: one port per
    # transfer, all of them open in the firewall. When all are taken, PASV is
    # answered 425. At least 1024.
    ports = "50000-50999"

    # The address in our 227. auto: the one at which the client reached us. Behind
    # NAT: the public IP address, or a host name that is resolved again every
    # minute. EPSV carries no address and needs none.
    advertise = "auto"

    # Another IPv4 address for the clients of some networks, such as
    # { "10.0.0.0/8" = "10.0.0.9" } for those on this side of the NAT. The smallest
    # network that a client is in counts.
    networks = {}
  }

  active {
    # false: PORT and EPRT are answered 502; for proxies that may not open
    # connections to their clients.
    enabled = true

    # The local IP address to dial clients from. "": the one at which the client
    # reached us.
    bind = ""
  }
}

# An upstream is an FTP or FTPS server that sessions are carried to. It is contacted
# when a client sends USER, so TLS failures and scanners cost it nothing.
upstream "legacy" {
  # Required. HOST:PORT. A host name is looked up for every session.
  address = "10.0.0.5:21"

  # How long connecting may take, control and data; then the client hears 421 or
  # 425.
  connect_timeout = "5s"

  # How the proxy opens its half of a data connection, whatever the client did
  # with the other half.
  # passive: PASV or EPSV, the proxy dials
  # active:  PORT or EPRT, the upstream dials the proxy
  # match:   as the client opened its own half
  data_mode = "passive"

  # control: dial the address of the control connection, whatever the upstream's
  #          227 says
  # reply:   believe the 227; only for a server whose data really lives elsewhere
  passive_address = "control"

  # The local IP address to dial from. "": the kernel's choice.
  source = ""

  tls {
    # off:      plain FTP
    # explicit: AUTH TLS, or AUTH SSL where the server knows only that
    # implicit: TLS from the first byte, usually on port 990
    # What is asked for here and refused by the server ends the session with 421:
    # nothing ever falls back to clear text.
    mode = "off"

    # Towards the server, data connections are
    # private: under TLS, whatever the client chose for its own
    # clear:   in clear text
    # match:   as the client's; a PROT that the server refuses is refused
    # They resume the control connection's session, as vsftpd (require_ssl_reuse)
    # and ProFTPD demand. One server cannot be satisfied: it insists on that, is
    # limited to TLS 1.2 and gives no session tickets (in ProFTPD, TLSSessionTickets
    # off). Every transfer then fails with its 522 or 425, and the log says why.
    data = "private"

    # The host name, or IP address, that the server's certificate must be for. "":
    # the host in address. An address in a 227 never counts.
    server_name = ""

    # PEM file of the authorities that may vouch for the server; a self-signed
    # certificate is its own. "": the system's. Read at the start and at SIGHUP.
    ca = ""

    # The name of a certificate block with files, shown to servers that ask for a
    # client certificate. "": none.
    certificate = ""

    # false: any certificate will do. Somebody on the way can then take the server's
    # place, unless pins say otherwise. Warned about at every start.
    verify = true

    # SHA-256 of public keys (SubjectPublicKeyInfo) in base64, of which one must be
    # in the server's chain, besides the verification. Made by:
    #   openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der |
    #   openssl dgst -sha256 -binary | base64
    pins = []

    # The oldest version that the server may speak: "1.2" or "1.3".
    min_version = "1.2"
  }
}

# A certificate is made of exactly one of the blocks files, acme and self_signed.
certificate "main" {
  # Both required, PEM: the chain with the server's own certificate first, and its
  # key. Refused: unreadable files, a key that does not belong to the certificate, a
  # certificate that is expired or not yet valid. Looked at every few seconds: sessions
  # are shown a renewed certificate without a restart; what would be refused at the
  # start does not replace the one in use. One that expires meanwhile is shown all the
  # same: clients that do not verify it go on working, and the log warns, from two
  # weeks before the end (in the last quarter of a short life) and every day.
  files {
    cert = "fullchain.pem"
    key  = "key.pem"
  }
}

certificate "public" {
  # Ordered from an authority, kept in the storage folder, and renewed in time, when
  # the authority asks for it (ARI) or when it was revoked. Until the first one is
  # there AUTH TLS is answered 431, and the log says every minute what is being
  # waited for; SIGHUP tries again at once. One that could not be renewed is shown
  # beyond its end, and the log says so. `ftpsproxy certificates` shows where they
  # stand.
  acme {
    # Required. Each gets a certificate; the first is shown to clients that ask
    # for no name. Host names; IP addresses, where the authority issues for them;
    # wildcards such as "*.example.com", with dns-01.
    names = ["files.example.com"]

    # Where the authority writes to when something is wrong. "": nowhere.
    email = ""

    # letsencrypt, letsencrypt-staging (for trials: no client trusts it), zerossl,
    # or the URL of an ACME directory.
    ca = "letsencrypt"

    # PEM file of those who vouch for the authority's own web server, for one in
    # the house. "": the system's.
    ca_root = ""

    # How the authority finds out that the names are ours.
    # http-01:     it asks at port 80 of each name
    # tls-alpn-01: it asks at port 443 of each name
    # dns-01:      it looks for a record; no port has to be open
    challenge = "http-01"

    # Where http-01 (":80") or tls-alpn-01 (":443") is answered. Bound from start to
    # end; certificates with the same challenge may share it. Another port than 80
    # or 443 has to be reached from there. "" with tls-alpn-01: the listeners with
    # tls mode "implicit" answer, to which port 443 is forwarded.
    address = ":80"

    # One of the profiles that the authority offers, such as "shortlived". "": its
    # choice.
    profile = ""
  }
}

# With dns-01 one of rfc2136, exec and webhook puts records into the zone. Where
# _acme-challenge.NAME is an alias (CNAME), the record goes to where it leads, as the
# authority will: a zone that programs may change can serve names of one that they may
# not.
certificate "wild" {
  acme {
    names     = ["*.example.org", "example.org"]
    challenge = "dns-01"
    dns {
      # Dynamic updates, signed with TSIG. Waits until all servers of the zone have
      # the record.
      rfc2136 {
        # Required. The zone's primary; without a port, 53.
        server = "ns1.example.org"
        # Required.
        zone = "example.org."
        # The key that may update it; without, updates are not signed.
        key_name = "acme"
        # hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512
        key_algorithm = "hmac-sha256"
        # Base64, a secret.
        key = "c2VjcmV0IG9mIHRoZSByZWZlcmVuY2U="
      }
    }
  }
}
certificate "by-program" {
  acme {
    names     = ["ftp.example.net"]
    challenge = "dns-01"
    dns {
      exec {
        # Required. A program by its absolute path, and arguments. Three more are
        # added: "present" or "cleanup", the record's name with a final dot, and
        # its text. It ends, within two minutes, when the record can be asked for. Its
        # environment is the proxy's. When the proxy is told to stop it is killed, with
        # all that it has started, and has three seconds for a cleanup.
        command = ["/usr/local/bin/acme-dns", "--zone", "example.net"]
      }
    }
  }
}
certificate "by-webhook" {
  acme {
    names     = ["ftp.example.info"]
    challenge = "dns-01"

    # The account that some authorities, ZeroSSL among them, want one to have.
    eab {
      # Both required, as the authority shows them. The key is a secret: better
      # mac_key = env("EAB_KEY"), or file("path") whose last line break does not
      # count. A secret is never shown, wherever it stands.
      key_id  = "kid-1"
      mac_key = "c2VjcmV0IG9mIHRoZSByZWZlcmVuY2U"
    }

    dns {
      webhook {
        # Required. {"fqdn": "…", "value": "…"} is posted to it with "/present" or
        # "/cleanup" behind; it answers 2xx when the record can be asked for. https,
        # or http to this machine.
        url = "https://dns.internal/acme"
        # For basic authentication; the password is a secret.
        username = "ftpsproxy"
        password = "of-the-reference"
        # Or for bearer authentication: token = env("DNS_TOKEN")
      }
    }
  }
}

certificate "trial" {
  # Made at the first start, kept in the storage folder. For trials: clients have
  # to be told to trust it.
  self_signed {
    # Host names and IP addresses that it is valid for.
    names = ["localhost", "127.0.0.1"]
  }
}

# A policy decides, for every command, whether it may pass. Rules are asked in the
# order of the file; the first of which every given matcher matches decides. A denied
# command never reaches the upstream. SIGHUP reaches running sessions at their next
# command. `ftpsproxy policy test --config FILE` runs the tests below;
# `ftpsproxy policy explain --config FILE --policy partners --user partner-7 'STOR /a.txt'`
# shows how one command is decided. More in policy/doc.go; whole policies are in
# examples/policy-*.hcl.
policy "partners" {
  # What happens when no rule matches: deny or allow. Verbs that nobody knows are
  # denied all the same, unless a rule names them.
  default = "deny"

  # monitor: everything passes that would pass without a policy, and what would have
  # been denied is logged. Limits do not apply.
  mode = "enforce"

  # Of time.hour and the like in `when`: a name such as "Europe/Berlin".
  time_zone = "UTC"

  # commands:  verbs, sub-commands ("SITE CHMOD"), "*", or the groups @login, @session,
  #            @data, @navigate, @list, @read, @write, @delete, @rename, @mkdir, @site
  #            and @unknown. The X-form of a command is the command.
  # action:    allow, deny, disconnect
  rule "login and looking around" {
    commands = ["@login", "@session", "@data", "@navigate", "@list"]
    action   = "allow"
  }

  # users, hosts: globs, for the name in USER, in which case counts (some servers take
  # "FTP" and "anonymous" for one user: allow names, do not deny them), and that in SNI
  # or HOST
  # from:         networks of the client's address
  # paths:        globs with ** over the absolute, cleaned path
  # arguments:    regular expressions (RE2) over the argument as it was given
  # when:         a condition over command, user, client, session, tls, transfer, time
  #
  # A path is judged in every way in which servers are known to read it: with
  # backslashes and with slashes, with and without quotes, blanks and dots at its end,
  # wildcards, "~" and the streams of NTFS. What else a server makes of a name, the
  # policy cannot know: "%2f", short names ("FINANC~1"), upper and lower case, Unicode
  # that looks alike, symbolic links. In front of a server that is not plain UNIX, allow
  # plain names alone, as here, and allow places instead of denying some.
  rule "plain names" {
    commands = ["@list", "@read", "@write", "@delete", "@rename", "@mkdir", "CWD", "SMNT"]
    arguments = [
      "[\\\\:%<>|\"'`$;&\\x7f-\\x{10ffff}]", # not ASCII, or of use elsewhere
      "~[0-9]",
      " (/|$)", "[^./]\\.+(/|$)", "(^|/)\\.{3}", # blanks and dots at an end, but not "..", "."
    ]
    action = "deny"
    reply  = "553 Plain names only, please."
  }

  rule "no programs" {
    commands = ["@write", "RNTO"]
    paths    = ["**/*.{exe,js,php}"]
    action   = "deny"
    reply    = "553 This type of file is not accepted."
  }

  rule "uploads land in incoming" {
    commands = ["@write", "@mkdir"]
    users    = ["partner-*"]
    from     = ["198.51.100.0/24", "2001:db8::/32"]
    paths    = ["/incoming/**"]
    when     = tls.version == "1.3" || tls.session_reused
    action   = "allow"
  }

  # The upstream's text is replaced in replies to these commands with codes that
  # begin so; the code stays. Never that of 227 to 229 and 257, which programs read.
  reply "hide the product" {
    commands = ["*"]
    codes    = ["215", "421"]
    text     = "FTP service"
  }

  # Every limit whose matchers (users, hosts, from) match applies, and the tightest of
  # each kind is felt. Sessions, rate_up and rate_down are shared by all sessions that
  # match, the others count in each. A transfer stays in the limits in which it began,
  # whoever logs in meanwhile.
  limit "partners" {
    users                 = ["partner-*"]
    sessions              = 4       # logged in at the same time; one more is answered 421
    rate_up               = "10MiB" # bytes per second that clients send, all together
    rate_down             = "50MiB" # bytes per second that clients receive, all together
    rate_up_per_session   = "5MiB"  # the same for each session by itself
    rate_down_per_session = "20MiB"
    transfer_size         = "2GiB" # a larger one is broken off and answered 552
    commands_per_second   = 20     # faster clients wait
  }

  test "no drives" {
    session = { user = "partner-7", from = "198.51.100.4", tls = { version = "1.3" } }
    command = "STOR C:\\incoming\\a.csv"
    expect  = "deny"
    rule    = "plain names"
  }
  test "nothing but plain names" {
    session = { user = "partner-7", from = "198.51.100.4", tls = { version = "1.3" }, directory = "/incoming" }
    command = "STOR ..%2ffinance%2fa.csv"
    expect  = "deny"
    rule    = "plain names"
  }
  test "upwards is plain" {
    session = { user = "partner-7", from = "198.51.100.4", directory = "/incoming/sub" }
    command = "LIST ../other/./.."
    expect  = "allow"
  }
  test "no dots that Windows drops" {
    session = { user = "partner-7", from = "198.51.100.4", tls = { version = "1.3" }, directory = "/incoming" }
    command = "STOR sub./a.csv"
    expect  = "deny"
    rule    = "plain names"
  }
  test "plain names pass" {
    session = { user = "partner-7", from = "198.51.100.4", tls = { version = "1.3" }, directory = "/incoming" }
    command = "STOR report (1)-final_v2.csv"
    expect  = "allow"
  }
  test "a partner cannot reach finance" {
    session = { user = "partner-7", from = "198.51.100.4", tls = { version = "1.3" } }
    command = "STOR /finance/a.csv"
    expect  = "deny"
  }
}

storage {
  # The folder for what must outlive the process: accounts with authorities,
  # certificates of theirs and self-signed ones, and the keys. Made with mode 0700
  # when it is first needed. Processes that share it order each certificate once.
  dir = "/var/lib/ftpsproxy"
}

limits {
  # Sessions at once over all listeners; one more is answered 421.
  sessions = 10000

  # Sessions at once from one client address. 0: no limit.
  sessions_per_client = 0

  # From accept to a successful login, TLS included.
  login_timeout = "60s"

  # Silence on the control connection while no transfer runs. RFC 1123 asks for
  # at least 5 minutes; shorter is warned about.
  idle_timeout = "10m"

  # A transfer that moves no byte for so long is ended; also the wait for the
  # upstream's word after the last byte, so think of slow disks.
  stall_timeout = "60s"

  # From our 227, or the client's PORT, to an open data connection, and again for
  # its TLS handshake.
  data_timeout = "30s"

  # The upstream's time to answer a command.
  reply_timeout = "60s"

  # The longest command line in bytes, at least 64. A longer one is answered 500
  # and skipped.
  line = 4096

  # The longest line in an upstream's reply in bytes, at least 512. A longer one
  # ends the session.
  reply_line = 65536

  # Failed logins until 421 and the end of the session.
  login_failures = 3

  # How long transfers may go on after SIGTERM. "0s": they are cut off.
  drain_timeout = "30s"
}

log {
  # debug, info, warn or error. Passwords are in none of them.
  level = "info"

  # json: one object per line, for programs; console: for people. Changes at the
  # next start only.
  format = "json"

  # stderr, stdout, or the path of a file, which is reopened at SIGHUP.
  output = "stderr"
}
