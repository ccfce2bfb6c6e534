// Package configs knows the configuration file, and alone knows it.
//
//	*.hcl ──Load──▶ Settings ──Build──▶ proxy.Config
//	          │                 │
//	          └─ Diagnostics ───┘   file, line, snippet, and what would be right
//
// Load is pure: it reads the file and decides whether it makes sense. Build
// touches the machine: it opens certificate files and makes self-signed
// certificates. Check does what Build does short of writing anything. Nothing
// here starts a listener, a goroutine or a session.
//
// Read in this order: settings.go (what a file says once it is understood),
// schema.go (which setting fills which field), values.go and addresses.go
// (how one value is read), oneline.go (how the text becomes blocks: HCL 2, except
// that a block on one line may hold several settings, separated by commas),
// decode.go (how a block is read and how mistakes are collected), crosscheck.go
// (what must agree between blocks), build.go. reference.hcl documents every
// setting and is executed by the tests, as are examples/.
//
// It does not know command lines, signals or environment variables; settings
// that a later version will understand are refused by name, never skipped.
package configs
