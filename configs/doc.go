// Package configs knows the configuration file, and alone knows it.
//
//	*.hcl ──Load──▶ Settings ──Build──▶ Built: a proxy.Config, and what has to be
//	          │                 │               watched, started and closed beside it
//	          └─ Diagnostics ───┘   file, line, snippet, and what would be right
//
// Load reads the file, and the secrets that it takes from elsewhere, and decides
// whether it makes sense. Build touches the machine: it opens certificate files and
// makes self-signed certificates. Check does what Build does short of writing
// anything. Nothing here starts a listener, a goroutine or a session.
//
// Read in this order: settings.go (what a file says once it is understood),
// schema.go, acme.go, clients.go and upstreams.go (which setting fills which
// field), values.go, addresses.go and secrets.go (how one value is read), depth.go
// (what is too much to read), oneline.go (how the text becomes blocks: HCL 2, except
// that a block on one line may hold several settings, separated by commas),
// decode.go (how a block is read and how mistakes are collected), crosscheck.go
// (what must agree between blocks), build.go, states.go (where certificates stand).
// reference.hcl documents every setting and is executed by the tests, as are
// examples/.
//
// It does not know command lines or signals, and of the environment only what a
// secret names by env("NAME"); settings that a later version will understand are
// refused by name, never skipped.
package configs
